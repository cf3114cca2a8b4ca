"""What a draft says of its model, and what to ask of whoever works its shapes out; without torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from medfusion.spec import DiscreteTimeLoss, Draft, Model, View
from medfusion.spec.data import Instances
from medfusion.spec.head import SegmentationHead
from medfusion.spec.problems import Path

BAG = 64
"""Images of a bag that are reckoned with at most."""

EXAMPLE_VIEW = (3, 224, 224)
EXAMPLE_COLUMNS = 4
"""What a draft that says nothing of its data is shown with."""

_BLOCKS = ("image", "views", "instances", "table", "fusion", "head", "alignment", "auxiliary")


@dataclass(frozen=True)
class Outline:
    """The blocks of a model, as far as a draft says them.

    Attributes:
        blocks: In the order of the data's way: "id", "kind" of what was chosen, and for inputs and
            outputs what they are.
        wrong: Sentences by block.
        question: What to ask for the numbers, as plain values; None while something is wrong.
        assumed: What the draft does not say, by key of the page's words.
        batch: Subjects at once.
        device: As said in training.
    """

    blocks: list[dict[str, Any]]
    wrong: dict[str, list[str]] = field(default_factory=dict)
    question: dict[str, Any] | None = None
    assumed: list[str] = field(default_factory=list)
    batch: int = 32
    device: str = "auto"


def outline(draft: Draft) -> Outline:
    """Return what a draft says of its model."""
    document = draft.document
    data = _mapping(document.get("data"))
    views, instances, places = _views(_mapping(data.get("images")))
    numeric, categorical = (_names(data.get(name)) for name in ("numeric", "categorical"))
    assumed = []
    if not views and not numeric and not categorical:
        assumed.append("example")
        views = {"image": EXAMPLE_VIEW}
        numeric = [f"column {number + 1}" for number in range(EXAMPLE_COLUMNS)]
    target = _mapping(data.get("target"))
    if not target.get("kind"):
        assumed.append("target")
    wrong = _wrong(draft)
    model = _model(_mapping(document.get("model")), target)
    training = _mapping(document.get("training"))
    segmented = None
    if target.get("kind") == "segmentation" and views:
        said = target.get("view")
        segmented = said if said in views else next(iter(views))
    question = None
    if model is not None and not wrong:
        # What views are called changes nothing, and a wrong name is a matter of the Data page.
        short = {name: f"view{number}" for number, name in enumerate(views)}
        question = {
            "model": model.model_dump(mode="json"),
            "views": {short[name]: list(shape) for name, shape in views.items()},
            "instances": {short[name]: count for name, count in instances.items()},
            "places": [short[name] for name in places],
            "numeric": numeric,
            "categorical": categorical,
            "target": dict(target),
            "loss": dict(_mapping(training.get("loss"))),
            "segmented": None if segmented is None else short[segmented],
            "moments": _moments(_mapping(training.get("optimizer"))),
            "table": _table(draft, data.get("table")),
        }
    batch = training.get("batch_size", 32)
    device = training.get("device", "auto")
    return Outline(
        blocks=_blocks(model, views, instances, (numeric, categorical), target),
        wrong=wrong,
        question=question,
        assumed=assumed,
        batch=batch if isinstance(batch, int) and batch > 0 else 32,
        device=device if isinstance(device, str) else "auto",
    )


def outputs_of(
    target: Mapping[str, Any], loss: Mapping[str, Any], classes_of: Callable[[str], int]
) -> int:
    """Return the number of outputs that a target needs.

    Args:
        target: As in a document; what is missing has its default.
        loss: As in a document; empty where none is said.
        classes_of: Tells the number of classes of a column where the target does not list them.

    Example:
        >>> outputs_of({"kind": "ordinal", "classes": ["1", "2", "3"]}, {}, len)
        2
    """
    kind = target.get("kind")
    if kind == "multitask":
        own = _mapping(loss.get("losses"))
        tasks = _mapping(target.get("tasks")).items()
        return max(
            1, sum(outputs_of(_mapping(t), _mapping(own.get(n)), classes_of) for n, t in tasks)
        )
    if kind == "multilabel":
        return max(1, len(_names(target.get("columns"))))
    if kind == "segmentation":
        return len(_names(target.get("classes"))) or 2
    if kind in ("multiclass", "ordinal"):
        classes = len(target.get("classes") or ()) or classes_of(str(target.get("column", "")))
        # Grades in order take a step less than there are grades, or one score for all.
        less = {"cross-entropy": 0, "coral": classes - 1}.get(loss.get("kind", ""), 1)
        return max(1, classes - (0 if kind == "multiclass" else less))
    if kind == "survival" and loss.get("kind") == "discrete-time":
        said = loss.get("intervals")
        return said if isinstance(said, int) and said > 0 else DiscreteTimeLoss().intervals
    return 1


# What was said ------------------------------------------------------------------------------------


def _mapping(given: Any) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}


def _names(given: Any) -> list[str]:
    return [str(name) for name in given] if isinstance(given, list | tuple) else []


def _views(
    images: Mapping[str, Any],
) -> tuple[dict[str, tuple[int, int, int]], dict[str, int], list[str]]:
    """Return channels, height and width by view; numbers of images; which have fixed places."""
    shapes: dict[str, tuple[int, int, int]] = {}
    counts: dict[str, int] = {}
    places: list[str] = []
    for name, said in images.items():
        known = {key: _mapping(said)[key] for key in ("size", "channels") if key in _mapping(said)}
        try:
            view = View.model_validate({"column": "any", **known})
        except ValidationError:
            view = View(column="any")
        shapes[name] = (view.channels, *view.size)
        try:
            several = TypeAdapter(Instances).validate_python(_mapping(said).get("instances"))
        except ValidationError:
            continue
        counts[name] = min(several.most, BAG) if several.kind == "bag" else several.count
        if several.places is not None:
            places.append(name)
    return shapes, counts, places


def _model(said: Mapping[str, Any], target: Mapping[str, Any]) -> Model | None:
    try:
        model = Model.model_validate(said)
    except ValidationError:
        return None
    if target.get("kind") == "segmentation" and "head" not in said:
        return model.model_copy(update={"head": SegmentationHead()})
    return model


def _moments(optimizer: Mapping[str, Any]) -> int:
    """Return how many numbers the optimizer keeps for each weight."""
    if optimizer.get("kind") != "sgd":
        return 2
    return 0 if optimizer.get("momentum") == 0 else 1


def _table(draft: Draft, said: Any) -> dict[str, Any] | None:
    """Return the table's file with what tells whether it has changed; None where there is none."""
    if not isinstance(said, str) or not said:
        return None
    path = draft.folder / said
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return {"path": str(path), "bytes": found.st_size, "changed": found.st_mtime_ns}


def _wrong(draft: Draft) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path, sentence, own in draft.problems:
        if path[:1] != ("model",):
            continue
        label = ".".join(map(str, path[2:]))
        text = f"{label}: {sentence}" if own and label else sentence
        found.setdefault(_block(path), []).append(text)
    return found


def _block(path: Path) -> str:
    if path[1:3] == ("image", "attention"):
        return "attention"
    return str(path[1]) if len(path) > 1 and path[1] in _BLOCKS else "model"


# Blocks -------------------------------------------------------------------------------------------


def _blocks(
    model: Model | None,
    views: Mapping[str, tuple[int, int, int]],
    instances: Mapping[str, int],
    columns: tuple[list[str], list[str]],
    target: Mapping[str, Any],
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"id": f"view:{name}", "name": name, "shape": list(shape), "images": instances.get(name)}
        for name, shape in views.items()
    ]
    if views:
        image = model.image if model is not None else None
        found.append({"id": "image", "kind": image.name if image is not None else "resnet18"})
        if image is not None and image.attention is not None:
            found.append({"id": "attention", "kind": image.attention.kind})
        if instances and model is not None:
            found.append({"id": "instances", "kind": model.instances.kind})
        if len(views) > 1 and model is not None:
            found.append({"id": "views", "kind": model.views.kind})
    numeric, categorical = columns
    table = model.table.kind if model is not None and model.table is not None else "mlp"
    if numeric or categorical:
        found.append({"id": "columns", "numeric": len(numeric), "categorical": len(categorical)})
        found.append({"id": "table", "kind": table})
    if table == "tabm" and not views:  # an ensemble alone is its own model
        found.append({"id": "members", "kind": "tabm"})
    elif model is not None:
        found.append({"id": "fusion", "kind": model.fusion.kind})
        found.append({"id": "head", "kind": model.head.kind})
    else:
        found += [{"id": "fusion", "kind": ""}, {"id": "head", "kind": ""}]
    found.append({"id": "output", "kind": str(target.get("kind") or "")})
    return found
