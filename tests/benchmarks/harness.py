"""Peers and ours, taken alternately in one run, after their results were compared.

A `Row` is one piece of work done by several libraries. `measure` first calls each once and lets the
row's `check` compare the results; only then everybody takes turns, round by round, so that the noise
of the machine hits each alike. The growth of the peak of resident memory is read from the kernel
(`VmHWM`, set back before each call) in a round of its own.
"""

from __future__ import annotations

import ctypes
import dataclasses
import gc
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Work = Callable[[], Any]
DATA_VARIABLE = "MEDFUSION_BENCH_DATA"
BACKED = 512 << 20
"""Bytes that the host is sure to have given before a call is timed."""


@dataclasses.dataclass
class Row:
    """One piece of work.

    Attributes:
        group: Heading, such as "DICOM".
        name: The work, such as "150 slices, RLE, to float32 HU".
        peers: Other libraries.
        ours: MedFusion; the first entry is the one that goals are about.
        limit: What cannot be beaten (reading the files, one memcpy).
        check: Gets each result by name and raises where they are not the same numbers.
        goals: How many times longer than ours a peer should take (wall time).
        others: Goals with their own sentence: text -> (name in ours, other name, ratio at least).
        note: What a reader has to know.
        rounds: Rounds of timing.
    """

    group: str
    name: str
    peers: dict[str, Work]
    ours: dict[str, Work]
    limit: dict[str, Work] = dataclasses.field(default_factory=dict)
    check: Callable[[dict[str, Any]], None] | None = None
    goals: dict[str, float] = dataclasses.field(default_factory=dict)
    others: dict[str, tuple[str, str, float]] = dataclasses.field(default_factory=dict)
    note: str = ""
    rounds: int = 5
    scale: dict[str, float] = dataclasses.field(default_factory=dict)
    """Work of a candidate that was cut down, as a share: its times are divided by it."""


@dataclasses.dataclass
class Timing:
    """Milliseconds of one candidate."""

    wall: float
    least: float
    cpu: float
    peak_mib: float | None
    role: str


def data() -> Path:
    """Return the folder of generated files (`python tests/benchmarks/phantoms.py FOLDER`)."""
    return Path(os.environ[DATA_VARIABLE])


def measure(row: Row, rounds: int | None = None) -> dict[str, Timing]:
    """Check, then time all candidates of a row.

    Raises:
        AssertionError: The candidates do not give the same numbers.
    """
    works = {**row.peers, **row.ours, **row.limit}
    if len(works) != len(row.peers) + len(row.ours) + len(row.limit):
        msg = f"{row.name}: two candidates have one name"
        raise ValueError(msg)
    results = {name: work() for name, work in works.items()}
    if row.check is not None:
        row.check(results)
    del results
    wall: dict[str, list[float]] = {name: [] for name in works}
    cpu: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds or row.rounds):
        for name, work in works.items():
            gc.collect()
            _back_memory()
            began, began_cpu = time.perf_counter(), time.process_time()
            result = work()
            ended, ended_cpu = time.perf_counter(), time.process_time()
            del result
            share = row.scale.get(name, 1.0) / 1e3
            wall[name].append((ended - began) / share)
            cpu[name].append((ended_cpu - began_cpu) / share)
    roles = {**dict.fromkeys(row.peers, "peer"), **dict.fromkeys(row.ours, "ours")}
    return {
        name: Timing(
            wall=statistics.median(wall[name]),
            least=min(wall[name]),
            cpu=statistics.median(cpu[name]),
            peak_mib=_peak(work),
            role=roles.get(name, "limit"),
        )
        for name, work in works.items()
    }


def verdicts(row: Row, timings: Mapping[str, Timing]) -> Iterator[tuple[str, float, float]]:
    """Yield each goal as (sentence, ratio reached, ratio asked)."""
    first = next(iter(row.ours))
    for peer, asked in row.goals.items():
        yield f"{first} against {peer}", timings[peer].wall / timings[first].wall, asked
    for sentence, (ours, other, asked) in row.others.items():
        yield sentence, timings[other].wall / timings[ours].wall, asked


def _back_memory() -> None:
    """Touch memory and free it again.

    A virtual machine gives free memory back to its host within seconds; the first touch of a page
    then costs many times more, for whoever happens to come first.
    """
    np.ones(BACKED >> 3)


def _peak(work: Work) -> float | None:
    """Growth of the peak of resident memory during a call, in MiB; None where it is unknown."""
    try:
        gc.collect()
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5", "ascii")
        before = _status("VmRSS")
        result = work()
        peak = _status("VmHWM")
        del result
    except (OSError, AttributeError):
        return None
    return round(peak - before, 1)


def _status(key: str) -> float:
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) / 1024
    msg = f"no {key} in /proc/self/status"
    raise OSError(msg)
