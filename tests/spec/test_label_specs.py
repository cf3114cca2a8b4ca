"""Nested targets and losses in YAML, Python and JSON; problems with the path that they have."""

import pytest

from medfusion import Experiment
from medfusion.errors import SpecError
from medfusion.spec import main_metrics, metric_names

TEXT = """
medfusion: 1
data:
  table: t.csv
  id: id
  numeric: [age]
  target: {target}
  split: {{kind: grouped}}
training:
  loss: {loss}
"""

TASKS = """
    kind: multitask
    weights: {death: 2.0}
    tasks:
      death: {kind: binary, column: died, positive: "yes"}
      grade: {kind: ordinal, column: grade, classes: [0, 1, 2.5]}
      signs: {kind: multilabel, columns: [a, b]}
      relapse: {kind: survival, time: months, event: died}"""


def read(target, loss="null"):
    return Experiment.from_yaml_text(TEXT.format(target=target, loss=loss))


@pytest.mark.parametrize(
    ("target", "loss"),
    [
        (TASKS, "{kind: per-task, losses: {grade: {kind: coral}, death: {kind: focal}}}"),
        (TASKS.replace("{death: 2.0}", "uncertainty"), "null"),
        ("{kind: multilabel, columns: [a, b], positive: 1}", "{kind: asymmetric, clip: 0.1}"),
        ("{kind: ordinal, column: grade, classes: [1, 2, 3]}", "{kind: corn}"),
    ],
)
def test_nested_targets_survive_every_form(target, loss):
    exp = read(target, loss)
    assert Experiment.from_yaml_text(exp.to_yaml()) == exp
    assert Experiment.from_yaml_text(exp.to_json()) == exp
    names = {}
    exec(exp.code, names)
    assert names["exp"] == exp
    assert names["exp"].hash == exp.hash


@pytest.mark.parametrize(
    ("target", "loss", "message"),
    [
        (TASKS.replace("positive", "positiv"), "null", r"line 11: data\.target\.tasks\.death\.positiv: unknown key; did you mean 'positive'"),
        (TASKS.replace("ordinal", "ordnal"), "null", r"data\.target\.tasks\.grade: unknown kind 'ordnal'; did you mean 'ordinal'"),
        (TASKS.replace("columns: [a, b]", "columns: [a, a]"), "null", r"data\.target\.tasks\.signs: columns holds a more than once"),
        (TASKS.replace("{death: 2.0}", "{deth: 2.0}"), "null", r"unknown task 'deth': did you mean 'death'"),
        (TASKS.replace("{death: 2.0}", "{death: -2}"), "null", r"data\.target\.weights\.death: Input should be greater than 0"),
        (TASKS.replace("{death: 2.0}", "uncertain"), "null", r"data\.target\.weights: unknown weights 'uncertain'; did you mean 'uncertainty'"),
        (TASKS, "{kind: focal}", r"training\.loss: focal does not fit a multitask target; losses that fit: per-task"),
        (TASKS, "{kind: per-task, losses: {deat: {kind: focal}}}", r"training\.loss\.losses\.deat: unknown task"),
        (TASKS, "{kind: per-task, losses: {death: {kind: corn}}}", r"training\.loss\.losses\.death: corn does not fit a binary target"),
        (TASKS, "{kind: per-task, losses: {death: {kind: focal, gama: 1}}}", r"training\.loss\.losses\.death\.gama: unknown key; did you mean 'gamma'"),
        ("{kind: multitask, tasks: {a b: {kind: binary, column: x}}}", "null", r"data\.target\.tasks\.a b: "),
        ("{kind: multitask, tasks: {}}", "null", r"data\.target\.tasks: "),
    ],
)  # fmt: skip
def test_problems_are_told_where_they_are(target, loss, message):
    with pytest.raises(SpecError, match=message) as caught:
        read(target, loss)
    assert "\n" not in str(caught.value)


def test_columns_of_any_task_are_no_features():
    with pytest.raises(SpecError, match="column 'age' is the target"):
        read("{kind: multitask, tasks: {y: {kind: regression, column: age}}}")


def test_the_metrics_of_tasks_carry_their_names():
    exp = read(TASKS)
    assert exp.monitor == "val/loss"
    names = metric_names(exp.data.target)
    assert names[0] == "loss"
    assert {"death/auc", "death/loss", "grade/quadratic_kappa", "relapse/c_index"} <= set(names)
    assert main_metrics(exp.data.target)[:2] == ("death/auc", "grade/quadratic_kappa")


def test_weights_of_classes_by_number_are_refused_for_tasks():
    text = TEXT.format(target=TASKS, loss="null") + "  class_weights: [1.0, 2.0]\n"
    with pytest.raises(SpecError, match="takes a rule, balanced or effective-number"):
        Experiment.from_yaml_text(text)
