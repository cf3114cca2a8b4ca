"""Time the Rust core against the libraries that people use, after their results are compared.

    python tests/benchmarks/bench_rust.py [--json FILE] [--rounds N] [--images N]

All candidates of a row take turns in one run, so that the noise of the machine hits each alike.
Wall time and processor time are medians of the rounds; ratios are of processor time for one
thread and of wall time for more. Files are generated; they are in the page cache when timing
begins.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image
from sklearn.metrics import roc_auc_score
from torchvision.transforms import v2

from medfusion import _rust

MEAN, STD = 0.5, 0.25
REPLICATES = 2000


def picture(rng, height, width, channels):
    """An image that compresses as photographs do: shapes of all sizes and noise."""
    total = np.zeros((height, width, channels))
    for octave in range(2, 8):
        cells = rng.normal(size=(2**octave, 2**octave, channels))
        for channel in range(channels):
            layer = Image.fromarray(cells[:, :, channel].astype(np.float32))
            total[:, :, channel] += (
                np.asarray(layer.resize((width, height), Image.Resampling.BICUBIC)) * 0.6**octave
            )
    total += rng.normal(0, 0.01, total.shape)
    low, high = np.percentile(total, [0.5, 99.5])
    return np.clip((total - low) / (high - low), 0, 1)


def write_images(folder, count):
    """Return the kinds of files: name -> (paths, channels)."""
    rng = np.random.default_rng(0)
    kinds = {"PNG grey 8": [], "PNG grey 16": [], "PNG RGB 8": [], "JPEG RGB q90": []}
    for number in range(count):
        side = 384 + 64 * (number % 5)
        image = picture(rng, side, side + 40, 3)
        rgb = Image.fromarray((image * 255).astype(np.uint8))
        grey16 = Image.fromarray((image[:, :, 0] * 65535).astype(np.uint16))
        for name, one, ending, options in [
            ("PNG grey 8", rgb.convert("L"), "png", {}),
            ("PNG grey 16", grey16, "png", {}),
            ("PNG RGB 8", rgb, "png", {}),
            ("JPEG RGB q90", rgb, "jpg", {"quality": 90}),
        ]:
            path = folder / f"{name.replace(' ', '-')}-{number}.{ending}"
            one.save(path, **options)
            kinds[name].append(str(path))
    return {name: (paths, 3 if "RGB" in name else 1) for name, paths in kinds.items()}


def ours(paths, channels, size, threads):
    out = np.empty((len(paths), channels, size, size), np.float32)

    def run():
        failed = _rust.decode_images(paths, out, [MEAN] * channels, [STD] * channels, threads)
        assert not failed
        return out

    return run


def pillow(paths, channels, size):
    out = np.empty((len(paths), channels, size, size), np.float32)

    def run():
        for slot, path in zip(out, paths, strict=True):
            with Image.open(path) as image:
                deep = image.mode.startswith("I")
                # Pillow resamples 16 bits as floats only.
                source = (
                    Image.fromarray(np.asarray(image, np.float32))
                    if deep
                    else image.convert("RGB" if channels == 3 else "L")
                )
                array = np.asarray(source.resize((size, size), Image.Resampling.BILINEAR))
            planes = np.moveaxis(array if array.ndim == 3 else array[:, :, None], -1, 0)
            slot[:] = (planes.astype(np.float32) / (65535 if deep else 255) - MEAN) / STD
        return out

    return run


def torchvision_v2(paths, channels, size):
    mode = torchvision.io.ImageReadMode
    resize = v2.Resize((size, size), antialias=True)
    normalise = v2.Normalize([MEAN] * channels, [STD] * channels)

    def run():
        slots = []
        for path in paths:
            image = torchvision.io.decode_image(path, mode.UNCHANGED)
            deep = image.dtype == torch.uint16
            image = image.to(torch.float32) / 65535 if deep else image
            scaled = resize(image)
            slots.append(normalise(scaled if deep else scaled.to(torch.float32) / 255))
        return torch.stack(slots).numpy()

    return run


def cohort(n):
    rng = np.random.default_rng(n)
    target = (rng.random(n) < 0.2).astype(np.uint8)
    return target, (rng.normal(size=n) + 1.1 * target).round(4)


def bincount_bootstrap(target, score, replicates):
    """NumPy at its best: scores ranked once, a replicate is two counts of ranks."""
    ranks = np.unique(score, return_inverse=True)[1]
    levels, rng, positive = ranks.max() + 1, np.random.default_rng(0), target.astype(bool)
    found = np.empty(replicates)
    for replicate in range(replicates):
        drawn = rng.integers(0, len(target), len(target))
        rank, is_positive = ranks[drawn], positive[drawn]
        wins = np.bincount(rank[is_positive], minlength=levels)
        below = np.bincount(rank[~is_positive], minlength=levels)
        total = (wins * (np.cumsum(below) - 0.5 * below)).sum()
        found[replicate] = total / (wins.sum() * below.sum())
    return found


def sklearn_bootstrap(target, score, replicates):
    rng, found = np.random.default_rng(0), []
    for _ in range(replicates):
        drawn = rng.integers(0, len(target), len(target))
        found.append(roc_auc_score(target[drawn], score[drawn]))
    return np.array(found)


def alternate(candidates: dict[str, Callable], rounds: int) -> dict[str, dict[str, float]]:
    """Time the candidates in turns; milliseconds, medians of the rounds."""
    wall, cpu = ({name: [] for name in candidates} for _ in range(2))
    for _ in range(rounds):
        for name, run in candidates.items():
            gc.collect()
            wall_begin, cpu_begin = time.perf_counter(), time.process_time()
            run()
            wall[name].append(1e3 * (time.perf_counter() - wall_begin))
            cpu[name].append(1e3 * (time.process_time() - cpu_begin))
    return {
        name: {
            "wall_ms": statistics.median(wall[name]),
            "cpu_ms": statistics.median(cpu[name]),
            "min_wall_ms": min(wall[name]),
        }
        for name in candidates
    }


def images(folder, count, rounds):
    size = 224
    for kind, (paths, channels) in write_images(folder, count).items():
        candidates = {
            "medfusion, 1 thread": ours(paths, channels, size, 1),
            "medfusion, all cores": ours(paths, channels, size, 0),
            "Pillow + NumPy": pillow(paths, channels, size),
            "torchvision": torchvision_v2(paths, channels, size),
        }
        reference = candidates["Pillow + NumPy"]().copy()
        level = 1 / 255 / STD
        for name, run in candidates.items():
            difference = np.abs(run() - reference)
            # Peers on 8 bits round between their passes, JPEG decoders differ by a few levels.
            assert difference.max() <= 5 * level, (kind, name, difference.max() / level)
            assert difference.mean() <= 0.5 * level, (kind, name, difference.mean() / level)
        yield f"{len(paths)} x {kind} to {size}", alternate(candidates, rounds)


def bootstraps(rounds):
    for n, share in ((1000, 10), (100_000, 100)):
        target, score = cohort(n)
        peers = {
            "NumPy ranks + bincount": (bincount_bootstrap, 1 if n == 1000 else 20),
            "scikit-learn loop": (sklearn_bootstrap, share),
        }
        found = _rust.bootstrap_auc(target, score, None, REPLICATES, 1)
        np.testing.assert_allclose(_rust.auc(target, score), roc_auc_score(target, score))
        expected = bincount_bootstrap(
            target, score, REPLICATES // peers["NumPy ranks + bincount"][1]
        )
        error = 5 * expected.std() / np.sqrt(len(expected))
        assert abs(found.mean() - expected.mean()) < error
        assert abs(found.std() - expected.std()) < error
        candidates: dict[str, Callable] = {
            "medfusion, 1 thread": lambda t=target, s=score: _rust.bootstrap_auc(
                t, s, None, REPLICATES, 1, threads=1
            ),
            "medfusion, all cores": lambda t=target, s=score: _rust.bootstrap_auc(
                t, s, None, REPLICATES, 1
            ),
        }
        for name, (run, part) in peers.items():
            candidates[name] = lambda run=run, part=part, t=target, s=score: run(
                t, s, REPLICATES // part
            )
        times = alternate(candidates, max(1, rounds if n == 1000 else rounds // 3))
        # Slow peers draw a share of the replicates; their time is proportional to it.
        for name, (_, part) in peers.items():
            times[name] = {key: value * part for key, value in times[name].items()}
        yield f"bootstrap AUC, n={n}, B={REPLICATES}", times


def show(task, times):
    print(f"\n{task}")
    one = times["medfusion, 1 thread"]["cpu_ms"]
    many = times["medfusion, all cores"]["wall_ms"]
    print(f"  {'':26}{'wall ms':>10}{'cpu ms':>10}{'/ 1 thread':>12}{'/ all cores':>12}")
    for name, row in times.items():
        print(
            f"  {name:26}{row['wall_ms']:10.1f}{row['cpu_ms']:10.1f}"
            f"{row['cpu_ms'] / one:12.2f}{row['wall_ms'] / many:12.2f}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--images", type=int, default=32, help="files of each kind")
    arguments = parser.parse_args()
    if _rust.build_profile != "release":
        print("this is a debug build of medfusion._rust: nothing is timed", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for task, times in images(Path(folder), arguments.images, arguments.rounds):
            results[task] = times
            show(task, times)
    for task, times in bootstraps(arguments.rounds):
        results[task] = times
        show(task, times)
    if arguments.json:
        machine = {
            "cores": os.cpu_count(),
            "machine": platform.machine(),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "medfusion": _rust.__version__,
        }
        arguments.json.write_text(json.dumps({"machine": machine, "results": results}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
