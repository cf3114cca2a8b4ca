"""Names of transfer syntaxes (DICOM PS3.6, table A-1)."""

from __future__ import annotations

_PREFIX = "1.2.840.10008.1.2"
_NAMES = {
    "": "Implicit VR Little Endian",
    ".1": "Explicit VR Little Endian",
    ".1.99": "Deflated Explicit VR Little Endian",
    ".2": "Explicit VR Big Endian",
    ".5": "RLE Lossless",
    ".4.50": "JPEG Baseline",
    ".4.51": "JPEG Extended",
    ".4.57": "JPEG Lossless",
    ".4.70": "JPEG Lossless, first-order prediction",
    ".4.80": "JPEG-LS Lossless",
    ".4.81": "JPEG-LS Near-lossless",
    ".4.90": "JPEG 2000 Lossless",
    ".4.91": "JPEG 2000",
    ".4.201": "HTJ2K Lossless",
    ".4.202": "HTJ2K Lossless RPCL",
    ".4.203": "HTJ2K",
}


def syntax_name(uid: str) -> str:
    """Return the name of a transfer syntax, or its UID where it has none here.

    >>> syntax_name("1.2.840.10008.1.2.5")
    'RLE Lossless'
    """
    if not uid:
        return "no transfer syntax"
    return _NAMES.get(uid.removeprefix(_PREFIX), uid) if uid.startswith(_PREFIX) else uid
