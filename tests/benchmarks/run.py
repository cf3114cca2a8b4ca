"""Run the benchmarks of the data core: one table, one JSON file, one section of the docs.

    python tests/benchmarks/run.py [--only REGEX] [--rows REGEX] [--data DIR] [--json FILE] [--docs]
        [--rounds N]

The files are generated on first use (about 400 MB in a temporary folder unless `--data` is given).
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads would count as work

import argparse
import dataclasses
import importlib
import json
import platform
import re
import sys
import tempfile
import time
import warnings
from importlib import metadata
from pathlib import Path

import harness
import phantoms

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "benchmarks.md"
MARKS = ("<!-- data core: begin -->", "<!-- data core: end -->")
MODULES = sorted(path.stem for path in HERE.glob("[a-z]_*.py"))
PEERS = [
    "numpy",
    "scipy",
    "torch",
    "torchvision",
    "scikit-learn",
    "nibabel",
    "SimpleITK",
    "pydicom",
    "pylibjpeg",
    "dicomsdl",
    "monai",
    "torchio",
    "medrs",
    "opencv-python-headless",
    "simplejpeg",
    "imagecodecs",
    "isal",
    "zlib-ng",
    "deflate",
    "Pillow",
    "torchmetrics",
    "confidenceinterval",
    "lifelines",
    "scikit-survival",
]


def machine():
    """Return what the figures were measured on."""
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    versions = {}
    for name in PEERS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "load": os.getloadavg(),
        "versions": versions,
    }


def table(found):
    """Return the section of the docs."""
    lines = []
    group = None
    for entry in found:
        if entry["group"] != group:
            group = entry["group"]
            lines += [f"### {group}", ""]
        lines += [f"**{entry['name']}**" + (f". {entry['note']}" if entry["note"] else ""), ""]
        lines += ["| | wall ms | CPU ms | peak MiB | times ours |", "|---|---:|---:|---:|---:|"]
        ours = next(t for t in entry["timings"].values() if t["role"] == "ours")
        for name, timing in entry["timings"].items():
            shown = {"ours": f"**{name}**", "limit": f"*limit: {name}*"}.get(timing["role"], name)
            peak = "" if timing["peak_mib"] is None else f"{timing['peak_mib']:.0f}"
            lines.append(
                f"| {shown} | {timing['wall']:.3g} | {timing['cpu']:.3g} | {peak} "
                f"| {timing['wall'] / ours['wall']:.2f} |"
            )
        lines.append("")
        for goal in entry["goals"]:
            met = "met" if goal["reached"] >= goal["asked"] else "**missed**"
            lines.append(
                f"- {goal['goal']}: {goal['reached']:.2f}x, asked {goal['asked']:g}x: {met}"
            )
        if entry["goals"]:
            lines.append("")
    return "\n".join(lines)


def write_page(found, facts):
    """Put the table between its marks."""
    begin, end = MARKS
    page = PAGE.read_text("utf-8")
    head, tail = page.split(begin)[0], page.split(end)[1]
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    intro = (
        f"{facts['processor']}, {facts['cores']} cores, Python {facts['python']}. {versions}.\n\n"
    )
    PAGE.write_text(f"{head}{begin}\n{intro}{table(found)}{end}{tail}", "utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="modules, a regular expression")
    parser.add_argument("--rows", default="", help="names of rows, a regular expression")
    parser.add_argument("--data", type=Path, help="folder of generated files, kept")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--docs", action="store_true", help=f"write the table into {PAGE.name}")
    parser.add_argument("--rounds", type=int)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    sys.path.insert(0, str(HERE))
    folder = asked.data or Path(tempfile.gettempdir()) / "medfusion-bench"
    phantoms.write_all(folder)
    os.environ[harness.DATA_VARIABLE] = str(folder)
    facts, found = machine(), []
    chosen = bool(asked.only or asked.rows)
    if chosen and asked.json and asked.json.exists():
        # A part measured again takes the place of what was measured of it.
        found = json.loads(asked.json.read_text("utf-8"))["rows"]
    for module in MODULES:
        if not re.search(asked.only, module):
            continue
        for row in importlib.import_module(module).rows():
            if not re.search(asked.rows, row.name):
                continue
            began = time.perf_counter()
            timings = harness.measure(row, asked.rounds)
            goals = [
                {"goal": goal, "reached": round(reached, 3), "asked": wanted}
                for goal, reached, wanted in harness.verdicts(row, timings)
            ]
            entry = {
                "group": row.group,
                "name": row.name,
                "note": row.note,
                "timings": {name: dataclasses.asdict(t) for name, t in timings.items()},
                "goals": goals,
            }
            names = [(one["group"], one["name"]) for one in found]
            if (row.group, row.name) in names:
                found[names.index((row.group, row.name))] = entry
            else:
                found.append(entry)
            print(table([entry]), f"({time.perf_counter() - began:.0f} s)", sep="\n", flush=True)
            if asked.json:
                asked.json.write_text(
                    json.dumps({"machine": facts, "rows": found}, indent=1), "utf-8"
                )
    if asked.docs:
        write_page(found, facts)
    goals = [goal for entry in found for goal in entry["goals"]]
    missed = sum(goal["reached"] < goal["asked"] for goal in goals)
    print(f"{len(goals)} goals, {missed} missed")


if __name__ == "__main__":
    main()
