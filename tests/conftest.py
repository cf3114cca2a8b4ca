"""What several areas of the tests share: phantom experiments, the shared data, quick settings."""

import importlib.util
import os
import shutil
from pathlib import Path

import pytest

# The nets of tests are tiny: a second thread costs more in waiting than it takes over, ten times so
# on a busy machine. Set before torch is imported, for the processes that tests start too.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parent.parent
SHARED = Path(os.environ.get("MEDFUSION_TEST_DATA", ROOT.parent / "shared" / "data"))
CHROMIUM = os.environ.get("MEDFUSION_CHROMIUM") or shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-gpu"]  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Decoded images of the tests, and of the processes they start, are kept apart."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDFUSION_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def browser():
    """Chromium without a network of its own; Playwright allows one at a time."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


@pytest.fixture(scope="session")
def judged_run():
    """Write a finished run without training: judged_run(runs, name, seed=..., noise=...)."""
    spec = importlib.util.spec_from_file_location("judged_run", ROOT / "tests" / "judged_run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.judged_run


@pytest.fixture(scope="session")
def stop_after():
    """Make a callback that asks a run to stop after a step: stop_after(run, step)."""
    from medfusion.training import callbacks

    class StopAfter(callbacks.Callback):
        def __init__(self, run, step):
            self.run, self.step = run, step

        def on_step_end(self, _engine, report):
            if report.step == self.step:
                self.run.stop()

    return StopAfter


@pytest.fixture(scope="session")
def shared_data():
    """Folder of small real data; tests that need it are skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is absent (set MEDFUSION_TEST_DATA)")
    return SHARED


@pytest.fixture(scope="session")
def phantom_folder(tmp_path_factory):
    """A small phantom cohort: 160 subjects with 32x32 images, some values and images missing."""
    from medfusion.data.phantom import write_phantom

    folder = tmp_path_factory.mktemp("phantom")
    write_phantom(folder, subjects=160, size=32, seed=3, missing_images=0.1, missing_table=0.1)
    return folder


@pytest.fixture(scope="session")
def phantom(phantom_folder):
    """The phantom's experiment, cut down to seconds: a tiny encoder, three epochs."""
    from medfusion import Experiment
    from medfusion.spec import override

    exp = Experiment.from_yaml(phantom_folder / "experiment.yaml")
    return override.apply(
        exp,
        [
            "name=phantom",
            "model.image={kind: timm, name: test_resnet}",
            "model.fusion={kind: gated, dim: 16}",
            "training={epochs: 3, batch_size: 16, threads: 1}",
            "evaluation={bootstrap: 200}",
        ],
    )


@pytest.fixture(scope="session")
def survival_table(tmp_path_factory):
    """An experiment over 240 synthetic patients whose hazard depends on age and stage."""
    import numpy as np

    rng = np.random.default_rng(11)
    n = 240
    age, stage = rng.normal(60, 10, n).round(1), rng.integers(0, 3, n)
    rate = np.exp(0.06 * (age - 60) + 0.7 * stage) / 40
    life, end = rng.exponential(1 / rate), rng.uniform(5, 80, n)
    time = np.maximum(np.minimum(life, end).round(1), 0.1)
    cells = zip(age, stage, time, (life <= end).astype(int), strict=True)
    rows = [f"p{row},{a},{'I' * (s + 1)},{t},{e}" for row, (a, s, t, e) in enumerate(cells)]
    table = tmp_path_factory.mktemp("survival") / "patients.csv"
    table.write_text("\n".join(["id,age,stage,months,died", *rows]) + "\n", encoding="utf-8")
    return {
        "name": "survival",
        "data": {
            "table": str(table),
            "id": "id",
            "numeric": ["age"],
            "categorical": ["stage"],
            "target": {"kind": "survival", "time": "months", "event": "died", "unit": "months"},
            "split": {"kind": "stratified-grouped"},
        },
        "training": {"epochs": 4, "batch_size": 64, "threads": 1, "device": "cpu"},
        "evaluation": {"bootstrap": 100},
    }
