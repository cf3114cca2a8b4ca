"""The methods paragraph: fixed sentences, filled with what the run's files say."""

from __future__ import annotations

from medfusion.report import label_corrections
from medfusion.report.blocks import Block, Paragraph, Section
from medfusion.report.evidence import Evidence, tasks
from medfusion.report.metric_names import inside, label, level_free
from medfusion.report.numbers import counted, listed
from medfusion.spec.aggregator import Views
from medfusion.spec.data import Bag, ColumnSplit, GroupedKFoldSplit, Slices, View
from medfusion.spec.fusion import CrossAttentionFusion
from medfusion.spec.loss import PerTaskLoss
from medfusion.spec.table_encoder import (
    FTTransformerEncoder,
    MLPEncoder,
    TableEncoder,
    TabMEncoder,
)
from medfusion.spec.target import MultitaskTarget, SegmentationTarget, SurvivalTarget
from medfusion.spec.training import AdamW

NOT_CLINICAL = (
    "Not for clinical use. This is research software and no medical device; the results hold for "
    "the data described here and have not been confirmed on data from elsewhere."
)
NOT_KEPT = (
    "Performance in subgroups is not part of this report: a run folder keeps predictions, not the "
    "features of each subject."
)


def section(evidence: Evidence) -> Section:
    """Write what was done, as for the methods part of a paper."""
    sentences = [*_data(evidence), *_model(evidence), *_training(evidence), *_judged(evidence)]
    blocks: list[Block] = [Paragraph(" ".join(part)) for part in _paragraphs(sentences)]
    blocks += [Paragraph(NOT_KEPT), Paragraph(NOT_CLINICAL)]
    return Section("methods", "Methods", blocks)


def _paragraphs(sentences: list[str]) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for sentence in sentences:
        if sentence:
            found[-1].append(sentence)
        elif found[-1]:
            found.append([])
    return [part for part in found if part]


def _data(evidence: Evidence) -> list[str]:
    data, cohort = evidence.experiment.data, evidence.cohort
    said = []
    if cohort is not None:
        flow = cohort.flow
        left_out = sum(reason.count for reason in flow.excluded)
        said.append(
            f"Of {counted(flow.rows, 'row')} in the table, {left_out} "
            f"{'was' if left_out == 1 else 'were'} excluded and {flow.analysed} analysed."
        )
    said.append(_outcome(evidence))
    if cohort is not None and cohort.corrections is not None:
        said.append(label_corrections.sentence(cohort.corrections))
    inputs = []
    for name, view in data.images.items():
        inputs.append(
            f"{_pictures(view)} ({name}), resized to {view.size[0]} \N{MULTIPLICATION SIGN} {view.size[1]} pixels"
        )
    if data.numeric:
        inputs.append(_columns("numeric", data.numeric))
    if data.categorical:
        inputs.append(_columns("categorical", data.categorical))
    said.append(f"Inputs were {'; '.join(inputs)}.")
    unit = data.group or data.id
    split = data.split
    if isinstance(split, ColumnSplit):
        how = f"as given by the column {split.column}"
    elif isinstance(split, GroupedKFoldSplit):
        how = f"by {split.folds}-fold division, of which fold {split.fold} was the test split"
    else:
        drawn = "stratified random draw" if split.kind.startswith("strat") else "random draw"
        how = f"by {drawn} ({', '.join(f'{share:g}' for share in split.fractions)})"
    said.append(
        f"Rows were divided into training, validation and test {how}; no {unit} was in two splits."
    )
    said.append(
        "Medians for imputation, scaling and category codes were fitted on the training split "
        "only; missing values and missing images were masked."
    )
    return [*said, ""]


def _pictures(view: View) -> str:
    kind = "grey" if view.channels == 1 else "RGB"
    if isinstance(view.instances, Slices):
        several = f"up to {counted(view.instances.count, 'slice')} of a volume"
        return f"{several}, each with its neighbours" if view.instances.neighbours else several
    if isinstance(view.instances, Bag):
        return f"bags of up to {counted(view.instances.most, f'{kind} image')}"
    return f"{kind} images"


def _joined(views: Views) -> str:
    known = {"mean": "their mean", "max": "their maximum", "top-mean": "the mean of the largest"}
    return known.get(views.kind, f"{views.kind} aggregation")


def _outcome(evidence: Evidence) -> str:
    target = evidence.experiment.data.target
    named = listed(list(target.columns))
    if isinstance(target, SurvivalTarget):
        unit = f" in {target.unit}" if target.unit else ""
        value = "" if target.event_value is None else f" (the event is {target.event_value})"
        return (
            f"The outcome was the time{unit} until {target.event}{value}, as given by {target.time}; "
            "rows without the event were censored at their last time."
        )
    if isinstance(target, MultitaskTarget):
        own = [_outcome(part) for part in tasks(evidence).values()]
        learnt = target.weights == "uncertainty"
        how = "learnt from the uncertainty of each" if learnt else "fixed"
        return (
            f"One model learnt {counted(len(own), 'task')}; the weights of their losses were {how}, "
            f"and rows that lack the outcome of a task took no part in it. {' '.join(own)}"
        )
    if isinstance(target, SegmentationTarget):
        size = evidence.experiment.data.images[evidence.experiment.data.segmented or ""].size
        ignored = ", pixels marked as unknown left out" if target.ignore is not None else ""
        return (
            f"The outcome was the class of each pixel ({listed(list(target.classes))}) as drawn in "
            f"the masks of {target.column}, compared at {size[0]} \N{MULTIPLICATION SIGN} "
            f"{size[1]} pixels{ignored}."
        )
    what = {
        "multilabel": f"The outcomes were the labels {named}, unknown ones left out",
        "ordinal": f"The outcome was {named}, with classes in order",
        "binary": f"The outcome was {named}, binary",
        "multiclass": f"The outcome was {named}, with several classes",
        "regression": f"The outcome was {named}, a number",
    }[target.kind]
    if target.kind == "ordinal" and evidence.classes:
        what += f" ({listed(list(evidence.classes))})"
    if target.kind == "binary" and evidence.classes:
        what += f"; the event was {evidence.event}"
    return f"{what}."


def _columns(what: str, names: tuple[str, ...]) -> str:
    return f"the {what} column{'s' if len(names) > 1 else ''} {listed(list(names))}"


def _model(evidence: Evidence) -> list[str]:
    experiment = evidence.experiment
    model, data = experiment.model, experiment.data
    columns = bool(data.numeric or data.categorical)
    said = []
    if data.images:
        name = model.image.name if model.image else "resnet18"
        began = "published weights" if model.image and model.image.pretrained else "random weights"
        said.append(f"Images were encoded by {name} (timm), starting from {began}.")
        if any(view.instances is not None for view in data.images.values()):
            said.append(f"The images of one view were combined by {_joined(model.instances)}.")
        if len(data.images) > 1:
            said.append(f"Several images of a subject were combined by {_joined(model.views)}.")
    if columns:
        table = model.table or MLPEncoder()
        numbers = ""
        if data.numeric and table.embeddings == "ple":
            numbers = (
                f", numbers piecewise linearly over up to {table.bins} quantile bins of the "
                "training set"
            )
        said.append(
            f"Columns were encoded by {_table_encoder(table)} over embedded values with missing "
            f"indicators{numbers}."
        )
    if data.images and columns:
        fusion = model.fusion
        more = f", {fusion.heads} heads" if isinstance(fusion, CrossAttentionFusion) else ""
        said.append(
            f"The two were joined by {fusion.kind} fusion ({fusion.dim} dimensions{more}); while "
            f"training, a modality was hidden with probability {model.modality_dropout:g}."
        )
    return said


def _table_encoder(table: TableEncoder) -> str:
    if isinstance(table, FTTransformerEncoder):
        return (
            f"an FT-Transformer ({table.layers} layers, {table.heads} heads, "
            f"{table.embedding} dimensions)"
        )
    layers = f"hidden layers of {listed([str(width) for width in table.hidden])} units"
    if isinstance(table, TabMEncoder):
        return f"TabM, an ensemble of {table.members} perceptrons with shared weights ({layers})"
    return f"a multilayer perceptron ({layers})"


def _training(evidence: Evidence) -> list[str]:
    experiment = evidence.experiment
    training = experiment.training
    rule = training.optimizer
    decay = f", weight decay {rule.weight_decay:g}" if isinstance(rule, AdamW) else ""
    how = f"learning rate {rule.lr:g}{decay}, {training.schedule.kind} schedule"
    long = f"for at most {counted(training.epochs, 'epoch')}"
    size = training.batch_size
    said = [f"The model was trained with {_NAMES[rule.kind]} ({how}), {size} rows a batch, {long}."]
    if evidence.kind == "survival":
        said.append(_LIKELIHOODS[training.loss.kind if training.loss else "cox"])
    else:
        said += _losses(evidence)
    if training.early_stopping is not None:
        said.append(
            f"Training stopped when {_monitor(evidence)} had not improved for "
            f"{counted(training.early_stopping.patience, 'epoch')}."
        )
    if evidence.best:
        said.append(
            f"The weights of epoch {evidence.best['epoch']}, the best by {_monitor(evidence)}, "
            "were used."
        )
    said.append(f"The random seed was {experiment.seed}.")
    return [*said, ""]


_LIKELIHOODS = {
    "cox": (
        "It maximised Cox's partial likelihood with Efron's method for ties, each batch being a risk "
        "set; survival probabilities rest on Breslow's estimate of the baseline hazard on the "
        "training split."
    ),
    "discrete-time": (
        "It maximised the likelihood of a discrete hazard in each interval between quantiles of the "
        "event times in training; survival probabilities are the products of what the hazards leave."
    ),
}


def _losses(evidence: Evidence) -> list[str]:
    """Say what was made small where that is not the rule."""
    target, loss = evidence.experiment.data.target, evidence.experiment.training.loss
    if isinstance(target, MultitaskTarget):
        asked = loss.losses if isinstance(loss, PerTaskLoss) else {}
        named = {
            name: (asked[name].kind if name in asked else _OWN_LOSS.get(own.kind, ""))
            for name, own in target.tasks.items()
        }
        return [f"Losses: {listed([f'{_LOSSES[k]} ({name})' for name, k in named.items() if k])}."]
    if loss is None and target.kind not in ("ordinal", "segmentation"):
        return []
    return [f"The loss was {_LOSSES[loss.kind if loss else _OWN_LOSS[target.kind]]}."]


_OWN_LOSS = {
    "binary": "cross-entropy",
    "multiclass": "cross-entropy",
    "multilabel": "cross-entropy",
    "ordinal": "corn",
    "regression": "mse",
    "segmentation": "dice-cross-entropy",
    "survival": "cox",
}

_LOSSES = {
    "cross-entropy": "the cross-entropy",
    "focal": "the focal loss",
    "asymmetric": "the asymmetric loss",
    "corn": "that of CORN (conditional ordinal regression)",
    "coral": "that of CORAL (consistent rank logits)",
    "mse": "the mean squared error",
    "huber": "the Huber loss",
    "l1": "the mean absolute error",
    "dice": "1 minus the soft Dice coefficient of each image",
    "dice-cross-entropy": "the sum of the soft Dice loss of each image and the cross-entropy of its pixels",
    "cox": "Cox's partial likelihood",
    "discrete-time": "the likelihood of discrete hazards",
}

_MEASURED = {
    "survival": (
        "Discrimination was measured by the C-indices of Harrell and Uno and by the "
        "cumulative/dynamic AUC over time, calibration by groups of predicted risk against "
        "Kaplan-Meier, overall performance by the Brier score. Censoring was accounted for by "
        "inverse probability weights from the Kaplan-Meier estimate of the censoring "
        "distribution on the training split."
    ),
    "segmentation": (
        "Overlap was measured image by image and averaged: Dice and intersection over union over "
        "the images in which a class is in the reference or the prediction (0 where only one "
        "has it), the 95th percentile of the Hausdorff distance where both have it, area "
        "differences relative to the reference."
    ),
}

_NAMES = {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD"}


def _monitor(evidence: Evidence) -> str:
    name = evidence.experiment.monitor.removeprefix("val/")
    return f"{inside(label(name, kind=evidence.kind))} on validation"


def _judged(evidence: Evidence) -> list[str]:
    if not evidence.metrics:
        return ["The model has not been evaluated yet."]
    if several := tasks(evidence):
        own = [
            f"Task {name}: {one}" for name, part in several.items() for one in _judged(part) if one
        ]
        return [*own, ""]
    said = []
    if evidence.kind == "multilabel":
        said.append(
            "Each label was judged on the cases in which it is known; averages are over the labels "
            "that can be estimated, and a label was called from a probability of 0.5 on."
        )
    if evidence.kind == "ordinal":
        said.append(
            "A case was called the class at the median of its probabilities; agreement is Cohen's "
            "kappa with quadratic and with linear weights."
        )
    if evidence.kind == "binary":
        rule = evidence.experiment.evaluation.threshold
        how = {
            "youden": "by the Youden index on the validation split",
            "sensitivity": "on the validation split for a sensitivity of at least "
            f"{getattr(rule, 'at_least', 0):g}",
            "fixed": "beforehand",
        }[rule.kind]
        said.append(
            f"The operating point was chosen {how} and applied to the test split as it was."
        )
    if evidence.kind in _MEASURED:
        said.append(_MEASURED[evidence.kind])
    methods: dict[str, list[str]] = {}
    test = evidence.metrics.get("test") or next(iter(evidence.metrics.values()))
    for name, estimate in test.items():
        if estimate.ci and estimate.method and "[" not in name:
            known = inside(label(name, kind=evidence.kind))
            methods.setdefault(level_free(estimate.method), []).append(known)
    if methods:
        parts = [f"{method} for {listed(names)}" for method, names in methods.items()]
        said.append(f"{evidence.confidence} confidence intervals: {'; '.join(parts)}.")
    return [*said, ""]
