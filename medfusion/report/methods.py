"""The methods paragraph: fixed sentences, filled with what the run's files say."""

from __future__ import annotations

from medfusion.report.blocks import Block, Paragraph, Section
from medfusion.report.evidence import Evidence
from medfusion.report.metric_names import inside, label, level_free
from medfusion.report.numbers import counted, listed
from medfusion.spec.data import ColumnSplit, GroupedKFoldSplit
from medfusion.spec.fusion import CrossAttentionFusion
from medfusion.spec.table_encoder import (
    FTTransformerEncoder,
    MLPEncoder,
    TableEncoder,
    TabMEncoder,
)
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
    target = data.target
    said = []
    if cohort is not None:
        flow = cohort.flow
        left_out = sum(reason.count for reason in flow.excluded)
        said.append(
            f"Of {counted(flow.rows, 'row')} in the table, {left_out} "
            f"{'was' if left_out == 1 else 'were'} excluded and {flow.analysed} analysed."
        )
    what = {
        "binary": f"The outcome was {target.column}, binary",
        "multiclass": f"The outcome was {target.column}, with several classes",
        "regression": f"The outcome was {target.column}, a number",
    }[target.kind]
    if target.kind == "binary" and evidence.classes:
        what += f"; the event was {evidence.event}"
    said.append(f"{what}.")
    inputs = []
    for name, view in data.images.items():
        kind = "grey" if view.channels == 1 else "RGB"
        inputs.append(
            f"{kind} images ({name}), resized to {view.size[0]} \N{MULTIPLICATION SIGN} {view.size[1]} pixels"
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
        if len(data.images) > 1:
            said.append(f"Several images of a subject were combined by their {model.views.kind}.")
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


_NAMES = {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD"}


def _monitor(evidence: Evidence) -> str:
    name = evidence.experiment.monitor.removeprefix("val/")
    return f"{inside(label(name, kind=evidence.kind))} on validation"


def _judged(evidence: Evidence) -> list[str]:
    if not evidence.metrics:
        return ["The model has not been evaluated yet."]
    said = []
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
