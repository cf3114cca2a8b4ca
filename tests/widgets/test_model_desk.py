"""The model page's kernel side: what a draft says becomes a diagram with numbers, without torch."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from medfusion.models.image_families import FAMILIES
from medfusion.spec import Draft, Training
from medfusion.spec.loss import Loss
from medfusion.spec.target import Target
from medfusion.widgets import assets, model_desk
from medfusion.widgets.builder import Builder
from medfusion.widgets.model_outline import outline, outputs_of
from medfusion.widgets.model_process import answer, block_of
from medfusion.widgets.model_worker import Answers, Worker

DATA = {
    "table": "t.csv",
    "id": "id",
    "images": {"photo": {"column": "photo", "size": [64, 64]}},
    "numeric": ["age"],
    "categorical": ["sex"],
    "target": {"kind": "binary", "column": "y"},
    "split": {"kind": "grouped"},
}
TABLE = "id,photo,age,sex,grade,y\n" + "".join(
    f"{n},p{n}.png,{n},{'abc'[n % 3]},{n % 5},{n % 2}\n" for n in range(60)
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(assets, "read", lambda name: f"/* {name} */")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def warm():
    """One process for all tests of this file."""
    worker = Worker(Answers(None))
    yield worker
    worker.stop()


@pytest.fixture
def desk(warm, monkeypatch):
    monkeypatch.setattr(model_desk, "shared_worker", lambda: warm)

    def make(document=None, name="desk"):
        builder = Builder(name=name)
        if document is not None:
            builder.draft.set((), {"medfusion": 1, **document})
            builder.changed()
        return builder

    return make


def ask(panel, question, /, **values):
    reply, _ = panel.answer({"kind": "ask", "id": "1", "name": question, "values": values})
    return reply.get("error") or reply["values"]


def settled(panel, seconds=60):
    """Return the state of the model page once nothing is being worked out."""
    end = time.monotonic() + seconds
    while panel.state["model"] is None or panel.state["model"]["waits"]:
        assert time.monotonic() < end, "no answer came"
        time.sleep(0.02)
    return panel.state["model"]


def test_a_change_is_followed_by_numbers(desk):
    panel = desk({"data": DATA})
    found = ask(panel, "model_open")
    assert len(found["encoders"]) == sum(len(one.members) for one in FAMILIES)
    shown = settled(panel)
    names = [block["id"] for block in shown["blocks"]]
    assert names == ["view:photo", "image", "columns", "table", "fusion", "head", "output"]
    facts = shown["facts"]
    assert shown["machine"]["bytes"] > 1e9
    assert facts["parts"]["image"]["parameters"] == 11_176_512
    assert facts["parts"]["image"]["shapes"]["map"] == [512, 2, 2]
    assert facts["outputs"] == 1
    assert shown["assumed"] == ["categories"]  # there is no table to count them in
    ask(panel, "model_pick", name="resnet34")
    assert settled(panel)["facts"]["parts"]["image"]["parameters"] == 21_284_672
    ask(panel, "model_part", family="fusion", kind="film")
    shown = settled(panel)
    assert [b["kind"] for b in shown["blocks"] if b["id"] == "fusion"] == ["film"]
    assert panel.draft.get(("model", "fusion")) == {"kind": "film"}
    before = facts["subject_bytes"]
    ask(panel, "set", path=["training", "batch_size"], value=64)
    shown = settled(panel)
    assert (shown["batch"], shown["facts"]["subject_bytes"] > before) == (64, True)


def test_a_change_is_answered_within_a_second(desk):
    panel = desk({"data": {**DATA, "images": {"photo": {"column": "p"}}}})
    ask(panel, "model_open")
    settled(panel)
    for name in ("densenet121", "vit_small_patch16_224", "convnext_tiny", "efficientnet_b0"):
        start = time.monotonic()
        ask(panel, "model_pick", name=name)
        settled(panel)
        assert time.monotonic() - start < 3, name  # a second where nothing else is at work


def test_the_table_tells_how_many_categories_there_are(desk, folder):
    (folder / "t.csv").write_text(TABLE)
    ordinal = {"kind": "ordinal", "column": "grade"}
    panel = desk({"data": {**DATA, "target": ordinal, "images": {}}})
    ask(panel, "model_open")
    shown = settled(panel)
    assert (shown["facts"]["outputs"], shown["assumed"]) == (4, [])
    assert [block["id"] for block in shown["blocks"]][:2] == ["columns", "table"]


def test_nothing_said_yet_is_shown_by_an_example(desk):
    panel = desk(name="empty")
    ask(panel, "model_open")
    shown = settled(panel)
    assert shown["assumed"][:2] == ["example", "target"]
    assert shown["facts"]["parts"]["image"]["parameters"] == 11_176_512


@pytest.mark.parametrize(
    ("model", "block", "sentence"),
    [
        ({"fusion": {"kind": "film", "dim": 0}}, "fusion", "dim: Input should be greater"),
        ({"fusion": {"kind": "cross-attention", "dim": 30}}, "fusion", "not divisible by 4 heads"),
        ({"image": {"name": "resnet-18"}}, "image", "did you mean 'resnet18'"),
        ({"image": {"name": "hiera_tiny_224"}}, "image", "96 x 96"),
        (
            {"image": {"name": "test_vit", "attention": {"kind": "cbam"}}},
            "attention",
            "no convolutional stages",
        ),
        ({"head": {"kind": "segmentation"}}, "head", "segmentation classes pixels"),
        ({"fusion": {"kind": "kronecker", "width": 99}}, "fusion", "width: Input should be less"),
    ],
)
def test_what_cannot_be_is_said_at_its_block(desk, model, block, sentence):
    data = {**DATA, "images": {"photo": {"column": "p", "size": [80, 80]}}}
    panel = desk({"data": data, "model": model})
    ask(panel, "model_open")
    shown = settled(panel)
    assert shown["facts"] is None
    assert sentence in " ".join(shown["wrong"][block])


def test_picking_keeps_what_fits(desk):
    image = {"name": "resnet18", "pretrained": True, "weights": "r18.safetensors", "drop_rate": 0.2}
    panel = desk({"data": DATA, "model": {"image": image}})
    ask(panel, "model_pick", name="resnet50")
    said = panel.draft.get(("model", "image"))
    assert said == {"kind": "timm", "name": "resnet50", "pretrained": True, "drop_rate": 0.2}
    ask(panel, "undo")
    assert panel.draft.get(("model", "image")) == image
    ask(panel, "model_part", family="attention", kind="eca")
    assert panel.draft.get(("model", "image", "attention")) == {"kind": "eca"}
    ask(panel, "model_part", family="attention", kind=None)
    assert "attention" not in panel.draft.get(("model", "image"))
    assert ask(panel, "model_part", family="optimizer", kind="sgd")["type"] == "InputError"
    assert ask(panel, "model_part", family="fusion", kind="fillm")["type"] == "InputError"


def test_formulas_come_with_the_process(desk):
    panel = desk({"data": DATA})
    ask(panel, "model_open")
    settled(panel)
    end = time.monotonic() + 60
    while not panel.state["model"]["formulas"]:
        assert time.monotonic() < end
        time.sleep(0.02)
    parts = ask(panel, "model_open")["parts"]
    assert set(parts) == set(model_desk.SHOWN)
    gated = parts["fusion"]["gated"]
    assert gated["papers"] == ["https://arxiv.org/abs/1702.01992"]
    assert any("tanh" in paragraph for paragraph in gated["text"])


def test_a_process_that_dies_is_started_again(desk, warm):
    panel = desk({"data": DATA})
    ask(panel, "model_open")
    settled(panel)
    first = warm.pid
    os.kill(first, signal.SIGKILL)
    while warm.pid == first:
        time.sleep(0.02)
    ask(panel, "model_pick", name="resnet26")
    assert settled(panel)["facts"]["parts"]["image"]["parameters"] > 13e6
    assert warm.pid not in (None, first)


def test_it_ends_with_whoever_asked():
    script = (
        "from medfusion.widgets.model_worker import Answers, Worker\n"
        "worker = Worker(Answers(None)); worker.start(); print(worker.pid, flush=True); input()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    child = int(parent.stdout.readline())
    os.kill(child, 0)
    parent.kill()
    parent.communicate()
    end = time.monotonic() + 30
    while _lives(child):
        assert time.monotonic() < end, "it outlived who started it"
        time.sleep(0.1)


def _lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
        return file.read().rsplit(")", 1)[1].split()[0] != "Z"


def test_answers_are_kept_on_disk(tmp_path):
    key = Answers.key("blueprint", {"a": 1})
    assert key != Answers.key("blueprint", {"a": 2})
    Answers(tmp_path / "kept").put(key, {"n": 3})
    assert Answers(tmp_path / "kept").get(key) == {"n": 3}
    (tmp_path / "kept" / f"{key}.json").write_text("{")
    assert Answers(tmp_path / "kept").get(key) is None
    (tmp_path / "file").write_text("")
    lost = Answers(tmp_path / "file")
    lost.put(key, {"n": 4})
    assert lost.get(key) == {"n": 4}


def test_of_one_asker_only_the_newest_question_waits(warm):
    """While the first is worked out, others replace each other."""
    document = {"medfusion": 1, "data": DATA}
    asked = threading.Event()
    got = []
    for name in ["resnet10t", "resnet14t", "resnet26d", "resnet50c"]:
        question = outline(Draft(document | {"model": {"image": {"name": name}}})).question

        def done(_answer, name=name):
            got.append(name)
            if name == "resnet50c":
                asked.set()

        assert warm.ask(asked, "blueprint", question, done) is None
    assert asked.wait(60)
    assert got[-1] == "resnet50c"
    assert len(got) <= 2


TARGETS = [
    {"kind": "binary"},
    {"kind": "multiclass", "classes": ["a", "b", "c"]},
    {"kind": "ordinal", "classes": ["a", "b", "c"]},
    {"kind": "regression"},
    {"kind": "segmentation", "classes": ["none", "one", "two"]},
]
LOSSES = {
    "ordinal": [{"kind": "coral"}, {"kind": "cross-entropy"}, {"kind": "corn"}],
    "survival": [{"kind": "cox"}, {"kind": "discrete-time", "intervals": 7}],
}


@pytest.mark.parametrize("target", [*TARGETS, {"kind": "survival", "time": "t", "event": "e"}])
def test_outputs_are_those_of_the_task(target):
    from pydantic import TypeAdapter

    from medfusion.training.tasks import fit_task

    named = target if target["kind"] == "survival" else {"column": "y", **target}
    made = TypeAdapter(Target).validate_python(named)
    classes = tuple(target.get("classes", ("no", "yes") if target["kind"] == "binary" else ()))
    values = np.arange(60) % max(2, len(classes))
    if target["kind"] == "survival":
        values = np.stack([np.arange(1.0, 61.0), np.ones(60)], axis=1)
    elif target["kind"] == "regression":
        values = values.astype(float)
    for loss in [None, *LOSSES.get(target["kind"], [])]:
        chosen = TypeAdapter(Loss | None).validate_python(loss)
        task = fit_task(made, classes, values, Training(loss=chosen))
        assert outputs_of(named, loss or {}, len) == task.outputs


def test_outputs_of_labels_and_of_several_tasks():
    labels = {"kind": "multilabel", "columns": ["a", "b"]}
    several = {"kind": "multitask", "tasks": {"x": labels, "y": {"kind": "regression"}}}
    assert (outputs_of(labels, {}, len), outputs_of(several, {}, len)) == (2, 3)
    assert outputs_of({"kind": "multiclass", "column": "c"}, {}, lambda _: 9) == 9


@pytest.mark.parametrize("document", [
    {}, {"data": None}, {"data": {"images": {"a": None}}}, {"data": {"images": {"a": {"size": "x"}}}},
    {"data": {"numeric": "age"}}, {"model": 3}, {"model": {"image": 4}}, {"data": {"target": 5}},
    {"data": {"images": {"a.b": {"instances": {"kind": "bag"}}, "keys": {"column": "x"}}}},
    {"training": {"batch_size": "many", "optimizer": 1}}, {"data": {"table": "\0"}},
])  # fmt: skip
def test_nonsense_breaks_nothing(document):
    found = outline(Draft({"medfusion": 1, **document}))
    assert found.blocks
    if found.question is not None:
        assert "error" not in answer(found.question)


def test_which_block_a_message_is_about():
    assert block_of("model.image.attention: image encoder 'x' has no") == "attention"
    assert block_of("model.image.trainable is 9") == "image"
    assert block_of("something else") == "model"


def test_the_kernel_does_not_import_torch():
    work = (
        "import sys; from medfusion.widgets import model_desk;"
        "model_desk._summaries(), model_desk._encoders();"
        "from medfusion.widgets.model_worker import shared_worker; shared_worker();"
        "assert not {'torch', 'pandas', 'timm'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", work], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
