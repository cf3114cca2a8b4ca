"""Text from data made safe to look at: nothing in it can hide or turn what stands beside it."""

from __future__ import annotations

import re

# Control characters but tab and line feed; marks that turn the direction of what follows, so that
# a name could mirror the number after it; halves of surrogate pairs, which no file can hold.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)


def visible(text: str) -> str:
    r"""Return the text with every hidden character replaced by the replacement character.

    >>> visible("a\u202eb") == "a\N{REPLACEMENT CHARACTER}b"
    True
    """
    return _HIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
