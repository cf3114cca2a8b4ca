"""The command line as a user meets it: exit codes, messages, one JSON document, light imports."""

import contextlib
import csv
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from medfusion import cli
from medfusion.commands import execute
from medfusion.commands.parser import verbs
from medfusion.errors import InputError

PYTHON = [sys.executable, "-P", "-m", "medfusion"]


def medfusion(*words):
    """Run a command in this process, which saves importing torch each time."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.run([str(word) for word in words])
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def in_a_shell(*words, cwd=None):
    """Run a command as a shell does."""
    return subprocess.run(
        [*PYTHON, *map(str, words)], capture_output=True, text=True, check=False, cwd=cwd
    )


def refused(done, *words):
    """The user's mistake: exit code 2, a message that says what, nothing on stdout, no traceback."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """A folder with a small table, images and an experiment that trains in seconds."""
    from medfusion.data.phantom import write_phantom

    folder = tmp_path_factory.mktemp("cohort")
    write_phantom(folder, subjects=120, size=32, seed=5)
    text = (folder / "experiment.yaml").read_text()
    (folder / "quick.yaml").write_text(text)
    return folder


QUICK = [
    "--set", "training={epochs: 2, batch_size: 16, threads: 1}",
    "--set", "model.image={kind: timm, name: test_resnet}",
    "--set", "evaluation={bootstrap: 200}",
]  # fmt: skip


@pytest.fixture(scope="module")
def trained(cohort, tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    done = medfusion("train", cohort / "quick.yaml", "--runs", runs, *QUICK, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["state"] == "finished"
    return document["run"]


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_has_help_with_an_example(verb):
    words = [verb, "inspect", "--help"] if verb == "data" else [verb, "--help"]
    done = medfusion(*words)
    assert done.returncode == 0
    assert f"usage: medfusion {verb}" in done.stdout
    assert f"  medfusion {verb}" in done.stdout.split("Example:")[1]


def test_unknown_words_are_refused_with_the_nearest():
    refused(in_a_shell("trian"), "unknown command 'trian'")
    refused(medfusion("trian"), "unknown command 'trian'", "did you mean 'train'")
    refused(medfusion("train"), "required: EXPERIMENT.yaml", "medfusion train --help")
    refused(medfusion("runs", "--jsno"), "unrecognized arguments: --jsno")
    refused(medfusion("compare"), "RUN")


LIGHT = """
import sys
{work}
heavy = sorted({{"torch", "timm", "lightning_fabric", "sklearn"}} & set(sys.modules))
assert not heavy, heavy
"""


@pytest.mark.parametrize(
    "work",
    [
        "import medfusion",
        "import medfusion; medfusion.Experiment; medfusion.Run; medfusion.train",
        "import medfusion.runs, medfusion.registry, medfusion.api, medfusion.widgets",
        "import IPython.core.interactiveshell as s; s.InteractiveShell.instance().run_line_magic('load_ext', 'medfusion')",
        "from medfusion.cli import run; run(['--help'])",
        "from medfusion.cli import run; run(['models', '--help'])",
        "import medfusion.models.description as d, medfusion.models.image_families; d.families()",
        "from medfusion.cli import run; run(['runs'])",
    ],
)
def test_torch_is_not_imported(work, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LIGHT.format(work=work)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_validate_does_not_import_torch(cohort):
    work = f"from medfusion.cli import run; assert run(['validate', {str(cohort / 'quick.yaml')!r}]) == 0"
    code = LIGHT.format(work=work).replace(', "sklearn"', "")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_help_is_as_quick_as_importing_pydantic():
    def best(*command):
        times = []
        for _ in range(5):
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            times.append(time.perf_counter() - started)
        return min(times)

    assert best(*PYTHON, "--help") <= 2 * best(sys.executable, "-c", "import pydantic")


def test_validate_says_what_it_found(cohort):
    done = medfusion("validate", cohort / "quick.yaml")
    assert done.returncode == 0, done.stderr
    assert "valid" in done.stdout
    document = json.loads(medfusion("validate", cohort / "quick.yaml", "--json").stdout)
    assert sum(document["splits"].values()) > 100
    assert {check["outcome"] for check in document["checks"]} <= {"PASS", "WARN", "FAIL"}


def test_train_gives_one_json_document_and_a_run(trained, cohort):
    done = medfusion("runs", "--runs", os.path.dirname(trained), "--json")  # noqa: PTH120
    listed = json.loads(done.stdout)["runs"]
    assert [item["run"] for item in listed] == [trained]
    assert listed[0]["state"] == "finished"
    assert re.search(r"epoch +2/2 .*val/auc", medfusion(
        "train", cohort / "quick.yaml", "--runs", os.path.dirname(trained) + "/more", *QUICK  # noqa: PTH120
    ).stderr)  # fmt: skip


def test_detached_runs_go_on_and_can_be_stopped_and_resumed(cohort, tmp_path):
    words = [
        "train",
        cohort / "quick.yaml",
        "--runs",
        tmp_path,
        *QUICK,
        "--set",
        "training.epochs=500",
        "--detach",
        "--json",
    ]
    started = json.loads(medfusion(*words).stdout)
    run = started["run"]
    from medfusion.runs import RunFolder

    deadline = time.monotonic() + 60
    while RunFolder(run).status.step < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    refused(medfusion("resume", run), "another process works on this run")
    refused(medfusion("evaluate", run), "is running")
    assert json.loads(medfusion("stop", run, "--json").stdout)["state"] == "stopped"
    assert (
        "medfusion resume" in medfusion("stop", run).stdout
        or RunFolder(run).status.state == "stopped"
    )


def test_evaluate_repeats_the_metrics(trained):
    from medfusion.runs import RunFolder

    before = RunFolder(trained).metrics
    done = medfusion("evaluate", trained, "--split", "test", "--json")
    assert json.loads(done.stdout)["metrics"] == {"test": before["test"]}


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_predict_writes_one_row_per_id(trained, cohort, tmp_path, ending):
    import pandas as pd

    with (cohort / "table.csv").open() as file:
        ids = [
            row["id"] if "id" in row else next(iter(row.values())) for row in csv.DictReader(file)
        ]
    out = tmp_path / f"p.{ending}"
    done = medfusion("predict", trained, cohort / "table.csv", "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    frame = pd.read_csv(out, dtype={"id": str}) if ending == "csv" else pd.read_parquet(out)
    assert list(frame["id"]) == ids
    assert frame["prob_1"].between(0, 1).all()
    refused(
        medfusion("predict", trained, cohort / "table.csv", "--out", tmp_path / "p.txt"), ".parquet"
    )


def test_a_report_is_written_and_other_formats_are_refused(trained, tmp_path):
    done = medfusion("report", trained, "--out", tmp_path / "r.html")
    assert done.returncode == 0, done.stderr
    assert "</html>" in (tmp_path / "r.html").read_text()
    refused(medfusion("report", trained, "--out", tmp_path / "r.pdf"), ".html")
    refused(medfusion("explain", trained, "--id", "x", "--out", tmp_path / "e"), "cannot explain")


def test_compare_gives_the_difference_with_interval_and_p(trained, cohort, tmp_path):
    other = json.loads(
        medfusion(
            "train", cohort / "quick.yaml", "--runs", tmp_path, *QUICK, "--set", "seed=9", "--json"
        ).stdout
    )["run"]
    document = json.loads(medfusion("compare", trained, other, "--json").stdout)
    (pair,) = document["differences"]
    assert pair["ci"][0] <= pair["value"] <= pair["ci"][1]
    assert 0 <= pair["p"] <= 1
    refused(medfusion("compare", trained), "two runs")


def test_models_lists_the_registry():
    document = json.loads(medfusion("models", "fusion", "--json").stdout)
    kinds = {item["kind"] for item in document["models"]}
    assert kinds >= {"concatenate", "gated", "attention", "cross-attention", "bilinear"}
    refused(medfusion("models", "fusoin"), "did you mean 'fusion'")


def models(*words):
    """`medfusion models` in this process: torch is loaded already."""
    outcome = execute(["models", *words])
    json.dumps(outcome.document)
    return outcome


def test_models_says_formula_paper_shapes_and_settings():
    everything = models()
    families = {item["family"] for item in everything.document["models"]}
    assert families >= {"image", "attention", "views", "table", "fusion", "head", "optimizer"}
    for item in everything.document["models"]:
        assert item["summary"].endswith((".", ")."))
        assert f"{item['family']}" in everything.text
    found = {item["kind"]: item for item in models("attention").document["models"]}
    assert found["cbam"]["papers"] == ("https://arxiv.org/abs/1807.06521",)
    assert found["cbam"]["settings"]["reduction"]["default"] == 16
    assert dict(found["cbam"]["inputs"])["x"] == "Feature map, float [n, C, h, w]."
    text = models("fusion").text
    assert "z = sum_m g_m * tanh(h_m)" in text
    assert "present: Which modality a row has, bool [B, M]" in text
    assert "dim (128): Width of the fused features." in text


def test_models_filters_image_encoders():
    outcome = models("image", "--family", "convnext", "--max-parameters", "30", "--commercial")
    names = [item["name"] for item in outcome.document["encoders"]]
    assert names == ["convnext_atto", "convnext_nano", "convnext_tiny"]
    assert all(item["commercial"] == "yes" for item in outcome.document["encoders"])
    assert "convnext_tiny" in outcome.text
    assert "convnext_base" not in outcome.text
    restricted = models("image", "--family", "convnextv2")
    assert "non-commercial" in restricted.text
    assert len(restricted.document["names"]) > 1000
    assert "no curated image encoder fits" in models("image", "--max-parameters", "0.1").text


def test_models_says_what_an_encoder_is_and_costs():
    outcome = models("image", "resnet18", "--size", "64", "--channels", "1", "--batch", "8")
    assert outcome.document["map"] == (512, 2, 2)
    assert outcome.document["size"] == (64, 64)
    assert "11.17 million" in outcome.text
    assert "layer4" in outcome.text
    assert "a1_in1k" in outcome.text
    rectangle = models("image", "vit_tiny_patch16_224", "--size", "32", "64").document
    assert rectangle["tokens"] == 8


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["image", "mae"], "vit_base_patch16_224.mae"),
        (["image", "resnet18", "--family", "resnet"], "leave the name out"),
        (["image", "--size", "64"], "give an encoder's name"),
        (["image", "resnet18", "--size", "1", "2", "3"], "got 3 numbers"),
        (["image", "resnet18", "--size", "0"], "at least 1"),
        (["image", "--family", "resnt"], "did you mean 'resnet'"),
        (["fusion", "gatde"], "did you mean 'gated'"),
        (["fusion", "gated", "--size", "64"], "--size: only for image encoders"),
        (["fusion", "--commercial"], "only for image encoders"),
        (["fusion", "--markdown"], "stands alone"),
    ],
)
def test_models_refuses_what_does_not_go_together(words, sentence):
    with pytest.raises(InputError, match=sentence):
        models(*words)


def test_one_kind_of_a_part_is_explained_alone():
    outcome = models("fusion", "film")
    assert [item["kind"] for item in outcome.document["models"]] == ["film"]
    assert outcome.text.startswith("film: ")
    assert "https://arxiv.org/abs/1709.07871" in outcome.text


def test_a_reader_that_goes_away_is_no_fault():
    command = [sys.executable, "-m", "medfusion", "models", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_data_inspect_says_what_things_are(cohort, tmp_path):
    table = json.loads(medfusion("data", "inspect", cohort / "table.csv", "--json").stdout)
    assert table["kind"] == "table"
    assert table["rows"] >= 120
    image = next((cohort / "images").glob("*.png"))
    assert json.loads(medfusion("data", "inspect", image, "--json").stdout)["height"] == 32
    folder = json.loads(medfusion("data", "inspect", cohort, "--json").stdout)
    assert folder["kind"] == "folder"
    refused(medfusion("data", "inspect", tmp_path / "none"), "there is no such file")


# The user's mistakes ------------------------------------------------------------------------------


@pytest.fixture
def case(cohort, tmp_path):
    """A copy of the cohort to break: returns (folder, run validate and train on it)."""
    import shutil

    folder = tmp_path / "case"
    shutil.copytree(cohort, folder)

    def attempt(*changes, verb="train"):
        words = [verb, folder / "quick.yaml"]
        if verb == "train":
            words += ["--runs", folder / "runs"]
        return medfusion(*words, *QUICK, *[w for change in changes for w in ("--set", change)])

    return folder, attempt


def edit(folder, change):
    """Rewrite table.csv row by row."""
    with (folder / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    header = list(rows[0])
    rows = [new for index, row in enumerate(rows) if (new := change(index, row)) is not None]
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, header)
        writer.writeheader()
        writer.writerows(rows)


def names(folder):
    from medfusion import Experiment

    data = Experiment.from_yaml(folder / "quick.yaml").data
    return data, next(iter(data.images.values())).column


@pytest.mark.parametrize("verb", ["validate", "train"])
def test_missing_experiment_and_table(case, verb):
    folder, attempt = case
    refused(medfusion(verb, folder / "none.yaml"), "none.yaml", "there is no such file")
    refused(attempt("data.table=none.csv", verb=verb), "none.csv", "no such file")


@pytest.mark.parametrize("verb", ["validate", "train"])
def test_unknown_column(case, verb):
    _, attempt = case
    refused(attempt("data.numeric=[aeg]", verb=verb), "aeg")


def test_unknown_key_and_typo_in_a_name(case):
    _, attempt = case
    refused(attempt("training.epohs=3"), "did you mean 'epochs'")
    refused(attempt("model.fusion={kind: gatd}"), "did you mean 'gated'")
    refused(attempt("model.image={kind: timm, name: resnet81}"), "resnet81", "resnet18")


def test_unreadable_image(case):
    folder, attempt = case
    images = sorted((folder / "images").glob("*.png"))
    images[0].write_bytes(b"not an image")
    images[1].write_bytes(images[1].read_bytes()[:100])
    images[2].unlink()
    done = attempt()
    refused(done, images[0].name, images[1].name, images[2].name, "skip-unreadable")
    kept = medfusion(
        "train",
        folder / "quick.yaml",
        "--runs",
        folder / "runs2",
        *QUICK,
        "--skip-unreadable",
        "--json",
    )
    assert kept.returncode == 0, kept.stderr
    run = json.loads(kept.stdout)["run"]
    with open(f"{run}/cohort.json", encoding="utf-8") as file:  # noqa: PTH123
        flow = json.load(file)["flow"]
    assert sum(item["count"] for item in flow["excluded"]) == 3
    assert flow["analysed"] == flow["rows"] - 3


def test_one_class_only(case):
    folder, attempt = case
    data, _ = names(folder)
    edit(folder, lambda _i, row: {**row, data.target.column: "1"})
    refused(attempt(), data.target.column)


def test_empty_split(case):
    folder, attempt = case
    edit(folder, lambda i, row: row if i < 2 else None)
    refused(attempt("data.split={kind: grouped}"))


def test_nan_target(case):
    folder, attempt = case
    data, _ = names(folder)
    edit(
        folder,
        lambda i, row: {**row, data.target.column: "NaN" if i == 4 else row[data.target.column]},
    )
    refused(attempt(), data.target.column)


def test_group_in_two_splits(case):
    folder, attempt = case
    data, _ = names(folder)
    moved = set()

    def share(_i, row):
        if row[data.split.column] in ("train", "test") and row[data.split.column] not in moved:
            moved.add(row[data.split.column])
            return {**row, data.group: "shared-patient"}
        return row

    edit(folder, share)
    refused(attempt(), "shared-patient in train and test")


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "images/../../../x.png"])
def test_path_outside_the_data_root(case, path):
    folder, attempt = case
    _, column = names(folder)
    edit(folder, lambda i, row: {**row, column: path if i == 3 else row[column]})
    refused(attempt(), path)


def test_images_of_another_size_or_mode_are_fine(case):
    from PIL import Image

    folder, attempt = case
    paths = sorted((folder / "images").glob("*.png"))
    for path, mode in zip(paths, ["L", "RGB", "RGBA", "P", "I;16", "1"], strict=False):
        image = Image.open(path).convert("L").resize((57, 41))
        (image.convert("I").convert("I;16") if mode == "I;16" else image.convert(mode)).save(path)
    done = attempt()
    assert done.returncode == 0, done.stderr


def test_a_full_disk_is_told_and_nothing_is_lost(case):
    """A file size limit stands in for a full disk: writing the first checkpoint fails."""
    folder, _ = case
    limited = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))\n"
        "from medfusion.cli import run\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", limited, "train", str(folder / "quick.yaml"), "--runs", str(folder / "runs"), *QUICK],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    refused(done, "cannot be written", "disk is full")
    (run,) = (folder / "runs").iterdir()
    assert not list(run.rglob("*.part"))
    resumed = medfusion("resume", run, "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["state"] == "finished"


@pytest.mark.parametrize(
    "name", ["status.json", "metrics.json", "experiment.yaml", "predictions.csv"]
)
def test_a_run_folder_damaged_by_hand(trained, tmp_path, name):
    import shutil

    run = tmp_path / "run"
    shutil.copytree(trained, run)
    (run / name).write_bytes(b"\x00\xff{")
    assert medfusion("runs", "--runs", tmp_path).returncode == 0
    refused(medfusion("report", run, "--out", tmp_path / "r.html"), name)
    assert not (tmp_path / "r.html").exists()


def test_verbs_refuse_what_is_no_run(tmp_path):
    for words in (["resume"], ["stop"], ["evaluate"], ["compare", tmp_path]):
        refused(medfusion(*words, tmp_path), "not a run folder")


def test_lab_serves_the_quickstart_on_this_machine_only():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [*PYTHON, "lab", "--no-browser", "--port", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        line = next(line for line in server.stderr if "http://" in line)
    finally:
        os.killpg(server.pid, signal.SIGINT)
        os.killpg(server.pid, signal.SIGTERM)
        server.communicate(timeout=30)
    assert f"http://127.0.0.1:{port}/lab" in line
    assert "01_quickstart.ipynb" in line
