"""Print the dependencies of pyproject.toml, those of the extra `dev` included, one a line."""

import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8"))[
    "project"
]
print(*project["dependencies"], *project["optional-dependencies"]["dev"], sep="\n")
