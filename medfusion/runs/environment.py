"""Where a run was executed: versions, hardware, git. Works without importing what it lists."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

PACKAGES = (
    "medfusion",
    "torch",
    "torchvision",
    "timm",
    "lightning-fabric",
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
    "pydantic",
    "safetensors",
    "plotly",
    "ipywidgets",
    "anywidget",
)


def describe(folder: Path) -> dict[str, Any]:
    """Return what environment.json says about this machine and its software.

    Args:
        folder: Folder of the experiment; its git commit is recorded where it has one.
    """
    memory = psutil.virtual_memory()
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": _versions(),
        "hardware": {
            "processor": _processor(),
            "cores": psutil.cpu_count(logical=False),
            "threads": os.cpu_count(),
            "memory_gib": round(memory.total / 2**30, 1),
        },
        "git": _git(folder),
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    if sys.platform == "linux":
        try:
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
        except OSError:
            pass
    return platform.processor() or platform.machine()


def _git(folder: Path) -> dict[str, Any] | None:
    git = shutil.which("git")
    if git is None:
        return None

    def ask(*words: str) -> str | None:
        done = subprocess.run(  # noqa: S603 - fixed words, no shell
            [git, "-C", str(folder), *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
        return done.stdout.strip() if done.returncode == 0 else None

    try:
        commit = ask("rev-parse", "HEAD")
        if commit is None:
            return None
        return {"commit": commit, "changed": bool(ask("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.TimeoutExpired):
        return None
