"""The Experiment: one content, every way of writing it, and errors that help."""

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from medfusion import Experiment, spec
from medfusion.errors import SpecError
from medfusion.spec import override

YAML = """\
medfusion: 1                      # schema version
name: skin-fusion
seed: 7
data:
  table: skin.csv
  id: image_id
  group: lesion_id
  images:
    photo: {column: image_path, size: [64, 64]}
  numeric: [age]
  categorical: [sex, localization]
  target: {kind: binary, column: malignant}
  split: {kind: column, column: split}
model:
  image: {kind: timm, name: resnet18, pretrained: false}
  table: {kind: mlp, hidden: [64, 32]}
  fusion: {kind: gated, dim: 128}
  head: {kind: linear}
training:
  epochs: 10
  batch_size: 32
  optimizer: {kind: adamw, lr: 0.001}
  schedule: {kind: cosine}
  early_stopping: {monitor: val/auc, patience: 5}
"""


def evaluate_code(code: str) -> Experiment:
    names: dict = {}
    exec(code, names)
    return names["exp"]


def test_a_table_encoder_needs_no_kind_to_be_the_mlp():
    exp = Experiment.from_yaml_text(YAML.replace("{kind: mlp, hidden: [64, 32]}", "{hidden: [9]}"))
    assert exp.model.table.kind == "mlp"
    assert exp.model.table.embeddings == "ple"
    assert Experiment.from_yaml_text(exp.to_yaml()) == exp
    with pytest.raises(
        SpecError, match=r"model\.table\.membrs: unknown key; did you mean 'members'"
    ):
        Experiment.from_yaml_text(
            YAML.replace("{kind: mlp, hidden: [64, 32]}", "{kind: tabm, membrs: 3}")
        )
    with pytest.raises(SpecError, match="unknown kind 'ft'"):
        Experiment.from_yaml_text(YAML.replace("{kind: mlp, hidden: [64, 32]}", "{kind: ft}"))


def test_the_yaml_of_the_contract_is_read_as_written():
    exp = Experiment.from_yaml_text(YAML)
    assert exp.name == "skin-fusion"
    assert exp.seed == 7
    assert exp.data.images["photo"].size == (64, 64)
    assert exp.data.target == spec.BinaryTarget(column="malignant")
    assert exp.model.fusion == spec.GatedFusion(dim=128)
    assert exp.training.optimizer.lr == 0.001
    assert exp.monitor == "val/auc"


names = (
    st.text("abcdefghijklmnopqrstuvwxyzäß漢字 0123", min_size=1, max_size=12)
    .map(str.strip)
    .filter(bool)
)
floats = st.floats(1e-9, 10, allow_nan=False)
transforms = st.one_of(
    st.builds(spec.Percentile, lower=st.floats(0, 10)),
    st.builds(spec.Window, center=st.floats(-500, 500), width=st.floats(1, 4000)),
    st.builds(spec.Crop, size=st.tuples(*[st.integers(1, 99)] * 3)),
    st.builds(spec.Equalize, tiles=st.tuples(st.integers(1, 9), st.integers(1, 9))),
)
views = st.builds(
    spec.View,
    column=names,
    size=st.tuples(st.integers(8, 512), st.integers(8, 512)),
    channels=st.just(3),
    transforms=st.lists(transforms, max_size=3).map(tuple),
    augmentation=st.none() | st.builds(spec.Augmentation, rotate=st.floats(0, 180)),
)
targets = st.one_of(
    st.builds(spec.BinaryTarget, column=st.just("label"), positive=st.none() | names),
    st.builds(spec.MulticlassTarget, column=st.just("label")),
    st.builds(spec.RegressionTarget, column=st.just("label"), unit=names),
)
splits = st.one_of(
    st.just(spec.ColumnSplit(column="split")),
    st.builds(spec.GroupedSplit, seed=st.integers(0, 99)),
    st.builds(spec.StratifiedGroupedSplit, fractions=st.just((0.5, 0.25, 0.25))),
    st.builds(spec.GroupedKFoldSplit, folds=st.just(7), fold=st.integers(0, 6)),
)
fusions = st.one_of(
    st.builds(spec.ConcatenateFusion, dim=st.integers(1, 512)),
    st.builds(spec.GatedFusion, dropout=st.floats(0, 0.9)),
    st.builds(spec.AttentionFusion),
    st.builds(spec.CrossAttentionFusion, dim=st.just(96), heads=st.just(8)),
    st.builds(spec.BilinearFusion, rank=st.integers(1, 64)),
)
trainings = st.builds(
    spec.Training,
    epochs=st.integers(1, 1000),
    optimizer=st.builds(spec.AdamW, lr=floats) | st.builds(spec.SGD, lr=floats),
    schedule=st.builds(spec.CosineSchedule, warmup=st.floats(0, 5))
    | st.builds(spec.OneCycleSchedule)
    | st.builds(spec.StepSchedule, gamma=st.floats(0.01, 0.9)),
    early_stopping=st.none() | st.builds(spec.EarlyStopping, patience=st.integers(1, 50)),
    clip_norm=st.none() | floats,
)
experiments = st.builds(
    Experiment,
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9 .+-]{0,20}", fullmatch=True),
    seed=st.integers(0, 2**32 - 1),
    data=st.builds(
        spec.Data,
        table=names,
        id=st.just("id"),
        images=st.dictionaries(
            st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,8}", fullmatch=True), views, max_size=3
        ),
        numeric=st.just(("age", "größe")),
        target=targets,
        split=splits,
    ),
    model=st.builds(spec.Model, fusion=fusions),
    training=trainings,
)


def test_text_that_looks_like_a_number_stays_text():
    from medfusion.spec import text

    document = {"unit": "1e100", "column": "1E-3", "lr": 1e-05}
    assert text.parse(text.dump(document), "x")[0] == document


@settings(max_examples=60, deadline=None)
@given(experiments)
def test_yaml_json_and_python_are_one_content(exp):
    for other in (
        Experiment.from_yaml_text(exp.to_yaml()),
        Experiment.from_yaml_text(exp.to_json()),
        Experiment.from_mapping(json.loads(exp.to_json())),
        evaluate_code(exp.code),
    ):
        assert other == exp
        assert other.hash == exp.hash
        assert other.to_yaml() == exp.to_yaml()
    assert yaml.safe_load(exp.to_yaml()) == json.loads(exp.to_json()), (
        "any YAML reader reads the same"
    )


def test_the_hash_follows_the_content_only(tmp_path):
    exp = Experiment.from_yaml_text(YAML)
    (tmp_path / "a.yaml").write_text(YAML.replace("seed: 7\n", "") + "seed: 7\n")
    assert Experiment.from_yaml(tmp_path / "a.yaml").hash == exp.hash
    assert Experiment.from_yaml_text(YAML.replace("seed: 7", "seed: 8")).hash != exp.hash


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        (
            "  epochs: 10",
            "  epohs: 10",
            20,
            ["training.epohs", "unknown key", "did you mean 'epochs'"],
        ),
        ("kind: gated", "kind: gatd", 17, ["model.fusion", "'gatd'", "did you mean 'gated'"]),
        (
            "{kind: cosine}",
            "{kind: cosine, every: 3}",
            23,
            ["training.schedule.every", "unknown key"],
        ),
        (
            "{kind: adamw, lr: 0.001}",
            "{kind: sgd, betas: [0.9, 0.9]}",
            22,
            ["optimizer.betas", "momentum"],
        ),
        ("lr: 0.001", "lr: yes", 22, ["training.optimizer.lr", "number"]),
        ("lr: 0.001", "lr: fast", 22, ["training.optimizer.lr", "number"]),
        ("lr: 0.001", "lr: .nan", 22, ["training.optimizer.lr", "finite"]),
        ("lr: 0.001", "lr: -1", 22, ["training.optimizer.lr", "greater than 0"]),
        ("batch_size: 32", "batch_size: 3.5", 21, ["training.batch_size", "integer"]),
        ("val/auc", "val/acu", 24, ["val/acu", "did you mean 'val/auc'"]),
        ("size: [64, 64]", "size: [64]", 9, ["data.images.photo.size"]),
        ("size: [64, 64]", "size: [64, 99999]", 9, ["data.images.photo.size.1", "4096"]),
        ("  id: image_id\n", "", 4, ["data.id", "is missing"]),
        ("kind: gated, ", "", 17, ["model.fusion", "needs a `kind`", "gated"]),
        ("numeric: [age]", "numeric: [malignant]", 4, ["'malignant' is the target"]),
        ("numeric: [age]", "numeric: [sex]", 4, ["listed twice", "sex"]),
        ("name: resnet18", "name: resnet18, trainable: some", 15, ["model.image.trainable"]),
        ("pretrained: false", "weights: w.safetensors", 15, ["weights is unused"]),
        (
            "photo: {",
            "photo: {colunm: x, ",
            9,
            ["data.images.photo.colunm", "did you mean 'column'"],
        ),
        ("medfusion: 1", "medfusion: 9", None, ["newer than this MedFusion"]),
        ("medfusion: 1", "medfusion: one", None, ["no schema version"]),
        ("  batch_size: 32", "  epochs: 11", 21, ["'epochs' is given twice"]),
        ("  epochs: 10", "\tepochs: 10", 20, ["not valid YAML"]),
        ("kind: binary, column", "kind: binery, column", 12, ["'binery'", "did you mean 'binary'"]),
        (
            "    photo: {column: image_path, size: [64, 64]}\n",
            "    a b: {column: x}\n",
            9,
            ["data.images"],
        ),
    ],
)
def test_an_error_names_line_path_and_nearest(old, new, line, words):
    assert old in YAML
    with pytest.raises(SpecError) as caught:
        Experiment.from_yaml_text(YAML.replace(old, new, 1), source="skin.yaml")
    message = str(caught.value)
    if line is not None:
        assert f"skin.yaml, line {line}: " in message, message
    for word in words:
        assert word in message
    assert "pydantic" not in message


def test_all_problems_are_told_at_once_in_the_order_of_the_file():
    text = YAML.replace("epochs: 10", "epohs: 10").replace("kind: gated", "kind: gatd")
    with pytest.raises(SpecError) as caught:
        Experiment.from_yaml_text(text)
    lines = str(caught.value).splitlines()
    assert ["gatd" in lines[0], "epohs" in lines[1]] == [True, True]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a\n- b\n",
        "just words",
        "medfusion: 1\n",
        "? [a]\n: b\n",
        "a: !!python/object/apply:os.system [id]\n",
        "a: &x [1]\nb: *y\n",
        "a: " + "[" * 2000 + "]" * 2000,
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n"
            for i in range(9)
        ),
        "medfusion: 1\nname: '" + "x" * (1 << 20) + "'\n",
        "a: 2024-01-01\n",
        "a: \x00",
        "medfusion: 1\ndata: null\n",
        "1: 2\n",
    ],
)
def test_what_is_no_experiment_is_refused_in_words(text):
    with pytest.raises(SpecError, match=r"^experiment"):
        Experiment.from_yaml_text(text)


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(SpecError, match="there is no such file"):
        Experiment.from_yaml(tmp_path / "none.yaml")
    with pytest.raises(SpecError, match="cannot be read"):
        Experiment.from_yaml(tmp_path)
    (tmp_path / "b.yaml").write_bytes("name: ü".encode("latin-1"))
    with pytest.raises(SpecError, match="not UTF-8"):
        Experiment.from_yaml(tmp_path / "b.yaml")


def test_one_modality_is_said_aloud():
    table_only = YAML.replace("    photo: {column: image_path, size: [64, 64]}\n", "").replace(
        "images:", "images: {}"
    )
    exp = Experiment.from_yaml_text(table_only)
    assert exp.idle == ["model.image is idle: data.images is empty"]
    with pytest.raises(SpecError, match=r"line 13: model\.image is unused"):
        Experiment.from_yaml_text(
            table_only.replace("  images: {}\n", "").replace(
                "group: lesion_id\n", "group: lesion_id\n"
            )
        )
    image_only = override.apply(
        Experiment.from_yaml_text(YAML), ["data.numeric=[]", "data.categorical=[]"]
    )
    assert image_only.idle == ["model.table is idle: data.numeric and data.categorical are empty"]
    with pytest.raises(SpecError, match="nothing to learn from"):
        override.apply(image_only, ["data.images={}"])


def test_relative_paths_start_from_the_files_own_folder(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "skin.yaml").write_text(YAML)
    exp = Experiment.from_yaml(tmp_path / "sub" / "skin.yaml").resolved()
    assert exp.data.table == str(tmp_path / "sub" / "skin.csv")
    assert exp.data.root == str(tmp_path / "sub")


def test_overrides_are_checked_like_the_file():
    exp = Experiment.from_yaml_text(YAML)
    changed = override.apply(
        exp, ["training.epochs=3", "model.fusion={kind: attention}", "training.optimizer.lr=1e-4"]
    )
    assert changed.training.epochs == 3
    assert changed.training.optimizer.lr == 1e-4
    assert changed.model.fusion == spec.AttentionFusion()
    assert changed.data == exp.data
    for change, words in [
        ("training.epohs=3", "did you mean 'epochs'"),
        ("training.epochs", "write path=value"),
        ("training.epochs.x=1", "no parts of its own"),
        ("training.epochs=[", "not valid YAML"),
    ]:
        with pytest.raises(SpecError, match=words):
            override.apply(exp, [change])


def test_every_setting_of_the_schema_explains_itself():
    schema = Experiment.model_json_schema()
    assert schema["properties"]["data"]["description"]
    for name, part in schema["$defs"].items():
        for field, about in part["properties"].items():
            if field != "kind":
                assert about.get("description"), f"{name}.{field} has no description"


def test_an_older_version_is_brought_forward_step_by_step(monkeypatch):
    from medfusion.spec import migration

    monkeypatch.setitem(migration.STEPS, 1, lambda d: {"medfusion": 1, "b": d["a"]})
    monkeypatch.setitem(migration.STEPS, 2, lambda d: {**d, "c": d["b"] + 1})
    assert migration.to_current({"medfusion": 1, "a": 5}, 3, "x") == {
        "medfusion": 3,
        "b": 5,
        "c": 6,
    }


def test_an_experiment_is_frozen():
    exp = Experiment.from_yaml_text(YAML)
    with pytest.raises(ValueError, match="frozen"):
        exp.seed = 3
