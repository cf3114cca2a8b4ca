"""What is compared: each modality alone, every asked fusion, simple rivals on the table."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from medfusion.errors import InputError, SpecError, unknown
from medfusion.spec import Experiment, fusion
from medfusion.spec.base import Spec

Role = Literal["single", "fusion", "rival", "complete"]

RIVALS = {"logistic": "Logistic regression", "boosting": "Gradient boosting"}
"""Rivals from scikit-learn by name."""

_LINEAR = "Linear regression"
_SIMPLE = "late"
"""Kind of the fusion that is added as the simple one where it is known."""

_OF_ONE = ("image", "views", "instances", "instances_at_once", "table", "head")
"""Parts of a model that make sense for one modality."""


@dataclasses.dataclass(frozen=True)
class Candidate:
    """One way to predict.

    Attributes:
        name: Short name, unique in a comparison; of a fusion its kind.
        label: What reports call it.
        role: A "single" modality, a "fusion", a "rival" without a neural network, or "complete":
            a fusion that learns from complete rows alone.
        inputs: "image" and "table", or one of them.
        fusion: Settings of the fusion, where it is one.
    """

    name: str
    label: str
    role: Role
    inputs: tuple[str, ...]
    fusion: Mapping[str, Any] | None = None

    @property
    def trained(self) -> bool:
        """Whether it is an ordinary run."""
        return self.role != "rival"


def fusion_kinds() -> list[str]:
    """Return the kinds of fusion that an experiment may ask for.

    >>> "gated" in fusion_kinds()
    True
    """
    return sorted(_fusions())


def default_fusions(experiment: Experiment) -> list[str]:
    """Return the experiment's own fusion, and late fusion as the simple one where there is one."""
    own = str(experiment.model.fusion.kind)
    return [own] + [kind for kind in fusion_kinds() if kind == _SIMPLE and kind != own]


def candidates_of(
    experiment: Experiment,
    fusions: Sequence[str],
    *,
    rivals: bool = True,
    complete_rows: bool = False,
) -> list[Candidate]:
    """Return what is compared, the single modalities first.

    Args:
        experiment: Has images and columns.
        fusions: Kinds of fusion; the experiment's own keeps its settings, others take their
            defaults at the experiment's width.
        rivals: Add the rivals on the table alone.
        complete_rows: Add the first fusion, trained on rows without a missing modality alone.

    Raises:
        InputError: The experiment has one modality only, or a fusion is unknown.
    """
    _require_both(experiment)
    known = fusion_kinds()
    for kind in fusions:
        if kind not in known:
            raise InputError(unknown("fusion", kind, known))
    found = [
        Candidate("image", "Image alone", "single", ("image",)),
        Candidate("table", "Table alone", "single", ("table",)),
    ]
    both = ("image", "table")
    for kind in dict.fromkeys(fusions):
        settings = _fusion(experiment, kind)
        found.append(Candidate(kind, f"Fusion: {kind}", "fusion", both, settings))
    if complete_rows:
        first = found[2]
        label = f"Fusion: {first.name}, complete rows"
        found.append(Candidate("complete-rows", label, "complete", both, first.fusion))
    if rivals:
        labels = dict(RIVALS)
        if experiment.data.target.kind == "regression":
            labels["logistic"] = _LINEAR
        for name, label in labels.items():
            found.append(Candidate(name, f"{label} (table)", "rival", ("table",)))
    return found


def experiment_of(
    base: Experiment, candidate: Candidate, data: Mapping[str, Any], name: str
) -> Experiment:
    """Return the experiment that trains a candidate.

    A single modality keeps its encoder, its head and the whole of training; its features go
    through a projection and one hidden layer (fusion by concatenation, of one).

    Args:
        base: The experiment that is compared.
        candidate: What to train.
        data: Changes of its data part, such as the split.
        name: Name of the experiment.

    Raises:
        SpecError: The experiment makes no sense with one modality.
    """
    document = base.model_dump(mode="json")
    document["name"] = name
    document["data"] |= data
    model, training = document["model"], document["training"]
    if candidate.fusion is not None:
        model["fusion"] = dict(candidate.fusion)
    else:
        kept = {key: model[key] for key in _OF_ONE if key in model}
        document["model"] = kept | {"fusion": _fusion(base, "concatenate")}
    if "image" not in candidate.inputs:
        document["data"]["images"] = {}
        document["model"]["image"] = None
        training["optimizer"]["encoder_lr_scale"] = 1.0
        training["gradient_checkpointing"] = False
    if "table" not in candidate.inputs:
        document["data"] |= {"numeric": [], "categorical": []}
        document["model"]["table"] = None
    source = f"{base.name}, {candidate.label.lower()}"
    return Experiment.from_mapping(document, folder=base.folder, source=source)


def _require_both(experiment: Experiment) -> None:
    data = experiment.data
    kind: str = data.target.kind
    if kind == "segmentation":
        msg = (
            "compare --modalities compares predictions of one value per row; a segmentation "
            "predicts pixels, which a table alone cannot. Compare runs with `medfusion compare RUN RUN`"
        )
        raise InputError(msg)
    if kind == "multitask":
        msg = (
            "compare --modalities compares one metric, and a multitask target has one for each "
            "task; give data.target one of its tasks"
        )
        raise InputError(msg)
    lacking = []
    if not data.images:
        lacking.append("no images (data.images is empty)")
    if not data.numeric and not data.categorical:
        lacking.append("no table columns (data.numeric and data.categorical are empty)")
    if lacking:
        msg = (
            f"compare --modalities needs images and table columns; this experiment has "
            f"{' and '.join(lacking)}, so there is nothing to fuse. "
            "`medfusion train` trains what there is"
        )
        raise InputError(msg)


def _fusions() -> dict[str, type[Spec]]:
    members = get_args(get_args(fusion.Fusion)[0])
    return {str(member.model_fields["kind"].default): member for member in members}


def _fusion(experiment: Experiment, kind: str) -> dict[str, Any]:
    own = experiment.model.fusion
    if own.kind == kind:
        return dict(own.model_dump(mode="json"))
    made = _fusions()[kind]
    carried = {
        name: getattr(own, name)
        for name in ("dim", "dropout")
        if name in made.model_fields and hasattr(own, name)
    }
    try:
        found = made(**carried)
    except ValueError:  # the experiment's width does not suit this one: its own default does
        carried.pop("dim", None)
        try:
            found = made(**carried)
        except ValueError as error:
            msg = f"fusion {kind!r}: {error}"
            raise SpecError(msg) from None
    return dict(found.model_dump(mode="json"))
