"""What fusions and view aggregators cost: forward and backward against plain concatenation.

    python tests/benchmarks/bench_models.py [--rounds N] [--json FILE] [--docs]

Every kind of the registry with its own defaults, width 128, 32 rows, an image of 7 x 7 positions with
512 channels, a table of 20 columns with a vector of 32 and tokens of 8; aggregators get four views
of 512 features. All take turns, round by round, as the speed of a machine drifts by more than what is
measured; times are medians. One thread; in training mode; everything present. Before anything is
timed the outputs are checked to be finite and of the right shape.
"""

import argparse
import json
import os
import platform
import statistics
import time
from pathlib import Path

import torch

import medfusion.models.multimodal  # noqa: F401 - registers every kind
from medfusion.models.features import Features, Width
from medfusion.registry import create, describe, list_kinds

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
MARKS = ("<!-- models: begin -->", "<!-- models: end -->")
ROWS, DIM, VIEWS = 32, 128, 4
WIDTHS = {"image": Width(512, 512), "table": Width(32, 8)}
TOKENS = {"image": 49, "table": 20}
BASELINE = "concatenate"


def inputs():
    """Return features of both modalities that want a gradient, as those of encoders do."""
    return {
        name: Features(
            torch.randn(ROWS, width.vector, requires_grad=True),
            torch.randn(ROWS, TOKENS[name], width.tokens, requires_grad=True),
            torch.ones(ROWS, TOKENS[name]).bool(),
        )
        for name, width in WIDTHS.items()
    }


def fusions():
    """Return one step of each fusion, and its number of parameters."""
    present, feats = torch.ones(ROWS, 2).bool(), inputs()
    found = {}
    for kind in list_kinds("fusion"):
        made = create(describe("fusion", kind)[0](dim=DIM), widths=WIDTHS)

        def step(made=made):
            z, _, losses = made(feats, present)
            (z.sum() + sum(losses.values())).backward()
            return z

        assert step().shape == (ROWS, DIM), kind
        assert step().isfinite().all(), kind
        found[kind] = (step, parameters(made))
    return found


def aggregators():
    """Return one step of each view aggregator, and its number of parameters."""
    width = WIDTHS["image"].vector
    vectors = torch.randn(ROWS, VIEWS, width, requires_grad=True)
    present = torch.ones(ROWS, VIEWS).bool()
    found = {}
    for kind in list_kinds("views"):
        made = create(describe("views", kind)[0](), width=width, count=VIEWS)

        def step(made=made):
            vector = made(vectors, present).vector
            vector.sum().backward()
            return vector

        assert step().shape == (ROWS, width), kind
        assert step().isfinite().all(), kind
        found[kind] = (step, parameters(made))
    return found


def parameters(module):
    """Return how many numbers a module learns."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def measure(steps, rounds):
    """Return the median milliseconds of each step, taken alternately."""
    times = {name: [] for name in steps}
    for number in range(rounds + 2):
        for name, (step, _) in steps.items():
            started = time.perf_counter()
            step()
            if number >= 2:  # the first rounds warm up
                times[name].append(1000 * (time.perf_counter() - started))
    return {name: statistics.median(taken) for name, taken in times.items()}


def table(figures):
    """Return the table of the docs."""
    lines = [
        "| | ms forward and backward | times concatenation | parameters |",
        "|---|---:|---:|---:|",
    ]
    base = figures["fusion"][BASELINE]["ms"]
    for family, found in figures.items():
        for kind, figure in sorted(found.items(), key=lambda item: item[1]["ms"]):
            lines.append(
                f"| {family} `{kind}` | {figure['ms']:.2f} | {figure['ms'] / base:.2f} "
                f"| {figure['parameters']:,} |"
            )
    return "\n".join(lines) + "\n"


def processor():
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def write_page(text):
    """Put the table between its marks."""
    begin, end = MARKS
    page = PAGE.read_text("utf-8")
    head, tail = page.split(begin)[0], page.split(end)[1]
    facts = f"{processor()}, one thread, torch {torch.__version__.split('+')[0]}.\n\n"
    PAGE.write_text(f"{head}{begin}\n{facts}{text}{end}{tail}", "utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--docs", action="store_true", help=f"write the table into {PAGE.name}")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    families = {"fusion": fusions(), "views": aggregators()}
    times = measure(
        {(f, kind): made for f, steps in families.items() for kind, made in steps.items()},
        asked.rounds,
    )
    figures = {
        family: {
            kind: {"ms": round(times[family, kind], 3), "parameters": count}
            for kind, (_, count) in steps.items()
        }
        for family, steps in families.items()
    }
    text = table(figures)
    print(text, f"load {os.getloadavg()[0]:.1f}", sep="")
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    if asked.docs:
        write_page(text)


if __name__ == "__main__":
    main()
