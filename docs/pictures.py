"""Takes the pictures that README and docs show from a folder of screenshots, in 256 colours.

Usage: python docs/pictures.py FOLDER
"""

import re
import sys
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).parent
SHOWN = re.compile(r"images/([\w-]+\.png)")


def take(screenshots: Path) -> None:
    """Write every picture that is shown; what is no longer shown goes."""
    texts = [DOCS.parent / "README.md", *DOCS.rglob("*.md")]
    shown = {name for text in texts for name in SHOWN.findall(text.read_text(encoding="utf-8"))}
    for old in (DOCS / "images").glob("*.png"):
        if old.name not in shown:
            old.unlink()
    for name in sorted(shown):
        picture = Image.open(screenshots / name).convert("RGB")
        picture.quantize(256).save(DOCS / "images" / name, optimize=True)


if __name__ == "__main__":
    take(Path(sys.argv[1]))
