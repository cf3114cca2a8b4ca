"""Values and ids in the order and the words of messages."""

from __future__ import annotations

from collections.abc import Sequence

from medfusion.data.numbers import are_numbers

SHOWN = 20
"""Names in one message."""


def in_order(values: set[str]) -> list[str]:
    """Return values sorted, as numbers where all are numbers.

    >>> in_order({"10", "9"}), in_order({"b", "a"})
    (['9', '10'], ['a', 'b'])
    """
    names = sorted(values)
    if are_numbers(names):
        names.sort(key=lambda name: float(name.replace(",", ".").replace("\N{MINUS SIGN}", "-")))
    return names


def listed(ids: Sequence[str]) -> str:
    """Return the first ids in words.

    >>> listed(["a", "b"])
    'a, b'
    """
    more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    return ", ".join(ids[:SHOWN]) + more
