"""Which encoding a text file is in, found from its bytes alone."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from medfusion.errors import TableError

# UTF-32's mark begins with UTF-16's, so the longer ones come first.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_JUNK = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_COMMON_SHARE = 0.7


def decode(raw: bytes, source: Path) -> tuple[str, str]:
    """Return the text of a file and the name of its encoding.

    Tried in turn: a byte order mark (UTF-8, UTF-16, UTF-32), UTF-8, then GB18030 (which holds GBK
    and GB2312) or Windows-1252, whichever gives plausible characters.

    Args:
        raw: The file's bytes.
        source: The file, for messages.

    Raises:
        TableError: The bytes are no text, or text in none of these encodings.

    Example:
        >>> decode("Größe".encode("cp1252"), Path("a.csv"))
        ('Größe', 'cp1252')
        >>> decode("性别,年龄".encode("gbk"), Path("a.csv"))
        ('性别,年龄', 'gb18030')
    """
    for mark, name in _MARKS:
        if raw.startswith(mark):
            return _strict(raw, name, source), name
    junk = _JUNK.search(raw)
    if junk is not None:
        msg = (
            f"{source}: not a table but binary data (byte {junk.start()} is "
            f"0x{junk.group()[0]:02x}); give a CSV, TSV, Excel (.xlsx) or Parquet file, "
            "and save text as UTF-8"
        )
        raise TableError(msg)
    try:
        return raw.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        _refuse_broken_utf8(raw, error, source)
    for name in ("gb18030", "cp1252"):
        try:
            content = raw.decode(name)
        except UnicodeDecodeError:
            continue
        if name == "cp1252" or _looks_chinese(content):
            return content, name
    msg = (
        f"{source}: its encoding is none of UTF-8, UTF-16, GB18030, Windows-1252; save it as UTF-8"
    )
    raise TableError(msg)


def _strict(raw: bytes, name: str, source: Path) -> str:
    try:
        return raw.decode(name)
    except UnicodeDecodeError as error:
        msg = (
            f"{source}: begins as {name} but byte {error.start} does not belong there; "
            "the file is damaged or cut off"
        )
        raise TableError(msg) from None


def _refuse_broken_utf8(raw: bytes, error: UnicodeDecodeError, source: Path) -> None:
    # Other encodings hardly ever look like UTF-8: where most of it does, a byte is damaged.
    lenient = raw.decode("utf-8", errors="replace")
    broken = lenient.count("\N{REPLACEMENT CHARACTER}")
    foreign = sum(character > "\x7f" for character in lenient)
    if foreign - broken > broken:
        line = raw[: error.start].count(b"\n") + 1
        msg = f"{source}, line {line}: UTF-8 text with a damaged byte (0x{raw[error.start]:02x})"
        raise TableError(msg) from None


def _looks_chinese(content: str) -> bool:
    # Western letters read as GB18030 give rare characters; written Chinese is nearly all from
    # the 3755 common ones of GB2312 (lead bytes B0..D7) and its punctuation (A1..A9).
    foreign = [character for character in content if ord(character) > 127]
    common = 0
    for character in foreign:
        code = character.encode("gb2312", errors="ignore")
        common += len(code) == 2 and (0xB0 <= code[0] <= 0xD7 or 0xA1 <= code[0] <= 0xA9)
    return common >= _COMMON_SHARE * len(foreign)
