"""Schedules equal PyTorch's own where it has them, and are plain functions of the step."""

import math

import pytest
import torch

from medfusion import spec
from medfusion.registry import create
from medfusion.training import schedules  # noqa: F401 - registers them


def make(settings, steps_per_epoch=10, epochs=6, smaller_is_better=False):
    return create(
        settings,
        steps_per_epoch=steps_per_epoch,
        epochs=epochs,
        smaller_is_better=smaller_is_better,
    )


def rates_of(scheduler_class, steps, **arguments):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = scheduler_class(optimizer, **arguments)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_cosine_equals_pytorch():
    ours = [make(spec.CosineSchedule(final=0.1)).factor(step) for step in range(60)]
    theirs = rates_of(torch.optim.lr_scheduler.CosineAnnealingLR, 60, T_max=60, eta_min=0.1)
    assert ours == pytest.approx(theirs, abs=1e-12)


def test_step_equals_pytorch():
    schedule = make(spec.StepSchedule(every=2, gamma=0.5))
    ours = [schedule.factor(step) for step in range(60)]
    assert ours == pytest.approx(
        rates_of(torch.optim.lr_scheduler.StepLR, 60, step_size=20, gamma=0.5)
    )


def test_one_cycle_equals_pytorch():
    schedule = make(spec.OneCycleSchedule(rise=0.25))
    ours = [schedule.factor(step) for step in range(60)]
    theirs = rates_of(
        torch.optim.lr_scheduler.OneCycleLR,
        59,
        max_lr=1.0,
        total_steps=60,
        pct_start=(0.25 * 60 + 1) / 60,  # PyTorch counts the peak as one step earlier
        cycle_momentum=False,
    )
    assert ours[:59] == pytest.approx(theirs, rel=1e-9)


def test_warm_up_rises_in_a_line_from_one_percent():
    schedule = make(spec.ConstantSchedule(warmup=2.0))
    assert schedule.factor(0) == pytest.approx(0.01)
    assert schedule.factor(10) == pytest.approx(0.505)
    assert [schedule.factor(step) for step in (20, 30, 59)] == [1, 1, 1]
    cosine = make(spec.CosineSchedule(warmup=2.0, final=0.0))
    assert cosine.factor(20) == pytest.approx(1.0)
    assert cosine.factor(40) == pytest.approx(0.5)
    assert cosine.factor(60) == pytest.approx(0.0)


@pytest.mark.parametrize("smaller", [True, False])
def test_plateau_drops_like_pytorch(smaller):
    values = [5.0, 4.0, 4.0, 4.0, 4.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0]
    if not smaller:
        values = [-value for value in values]
    schedule = make(spec.PlateauSchedule(patience=2, gamma=0.5), smaller_is_better=smaller)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    oracle = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode="min" if smaller else "max", factor=0.5, patience=2, threshold=0
    )
    for value in values:
        schedule.epoch_end(value)
        oracle.step(value)
        assert schedule.factor(0) == optimizer.param_groups[0]["lr"]


def test_plateau_goes_on_from_its_state():
    first, second = (make(spec.PlateauSchedule(patience=1)) for _ in range(2))
    for value in (0.5, 0.4, None):
        first.epoch_end(value)
    second.load(first.state())
    for value in (0.3, 0.6, 0.1, 0.1, 0.1):
        first.epoch_end(value)
        second.epoch_end(value)
        assert first.factor(0) == second.factor(0)
    assert math.isclose(first.factor(0), 0.3**2)
