"""How numbers are written: three decimals, intervals with "to", a real minus sign."""

from __future__ import annotations

import math

MINUS = "\N{MINUS SIGN}"
NO_BREAK = "\N{NO-BREAK SPACE}"
NOT_ESTIMABLE = "not estimable"


def decimal(value: float | None) -> str:
    """Write a number with three decimals; fewer for large ones, more where all would be zeros.

    >>> [decimal(x) for x in (0.81234, 123.456, 12345.678, 0, None)]
    ['0.812', '123.5', '12346', '0.000', 'not estimable']
    >>> decimal(-1.5) == f"{MINUS}1.500"
    True
    """
    if value is None or math.isnan(value):
        return NOT_ESTIMABLE
    size = abs(value)
    if size == 0:
        return "0.000"
    if not math.isfinite(size):
        text = "infinite"
    elif size >= 9999.5:
        text = f"{size:.0f}"
    elif size >= 99.9995:
        text = f"{size:.1f}"
    elif size >= 0.0005:
        text = f"{size:.3f}"
    else:
        mantissa, exponent = f"{size:.2e}".split("e")
        text = f"{mantissa}e{MINUS}{-int(exponent)}"
    return (MINUS if value < 0 else "") + text


def rounded(value: float | None) -> str:
    """Write a descriptive number with three significant digits, whole ones in full.

    >>> [rounded(x) for x in (51.75, 1234.5, 0.01234, 100.0, None)]
    ['51.8', '1234', '0.0123', '100', 'not estimable']
    """
    if value is None or not math.isfinite(value):
        return decimal(value)
    size = abs(value)
    text = f"{size:.0f}" if size >= 99.95 else f"{size:#.3g}"
    if "e" in text:
        return decimal(value)
    return (MINUS if value < 0 else "") + (text if float(text) else "0")


def interval(value: float | None, bounds: tuple[float, float] | None) -> str:
    """Write an estimate with its interval.

    >>> interval(0.812, (0.766, 0.858))
    '0.812 (0.766 to 0.858)'
    """
    if value is None or bounds is None:
        return decimal(value)
    return f"{decimal(value)} ({decimal(bounds[0])} to {decimal(bounds[1])})"


def percent(part: float, whole: float) -> str:
    """Write a share in percent with one decimal.

    >>> percent(1, 3), percent(0, 0)
    ('33.3%', 'no cases')
    """
    return f"{100 * part / whole:.1f}%" if whole else "no cases"


def count_of(part: int, whole: int) -> str:
    """Write a count and its share.

    >>> count_of(93, 438)
    '93 (21.2%)'
    """
    return f"{part} ({percent(part, whole)})" if whole else str(part)


def counted(number: int, one: str, many: str = "") -> str:
    """Write a count with its noun.

    >>> counted(1, "subject"), counted(2, "subject"), counted(2, "class", "classes")
    ('1 subject', '2 subjects', '2 classes')
    """
    return f"{number} {one if number == 1 else many or one + 's'}"


def sized(n: int) -> str:
    """Write the size of a group for a heading that may wrap before it, but not within.

    >>> sized(438).replace(NO_BREAK, " ")
    '(n = 438)'
    """
    return f"(n{NO_BREAK}={NO_BREAK}{n})"


def listed(words: list[str]) -> str:
    """Join words as in a sentence.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def duration(seconds: float) -> str:
    """Write a span of time.

    >>> duration(42.4), duration(200), duration(9000)
    ('42 s', '3 min 20 s', '2 h 30 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def figures(value: float, digits: int = 5) -> float:
    """Round to significant figures, to keep the JSON of curves small.

    >>> figures(0.123456789)
    0.12346
    """
    return float(f"{value:.{digits}g}")
