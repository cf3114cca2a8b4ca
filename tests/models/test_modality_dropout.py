"""Modality dropout hides with the asked chance and never everything."""

import pytest
import torch

from medfusion.models.modality_dropout import hide_modalities


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.95])
def test_rates_and_never_all(rate):
    torch.manual_seed(0)
    present = torch.ones(40_000, 2).bool()
    kept = hide_modalities(present, rate)
    assert kept.any(dim=1).all()
    # Hidden alone, or both fell and the other was drawn to stay.
    expected = rate * (1 - rate) + rate**2 / 2
    for m in range(2):
        assert abs(float((~kept[:, m]).float().mean()) - expected) < 0.01


def test_absent_stay_absent_and_lone_ones_stay():
    torch.manual_seed(0)
    present = torch.rand(5000, 3) > 0.5
    kept = hide_modalities(present, 0.9)
    assert not (kept & ~present).any()
    assert (kept.any(dim=1) == present.any(dim=1)).all()


def test_the_global_generator_replays_it():
    present = torch.ones(50, 3).bool()
    state = torch.get_rng_state()
    first = hide_modalities(present, 0.5)
    torch.set_rng_state(state)
    assert torch.equal(hide_modalities(present, 0.5), first)


def test_nothing_is_drawn_where_nothing_can_be_hidden():
    state = torch.get_rng_state()
    one, two = torch.ones(3, 1).bool(), torch.ones(3, 2).bool()
    assert hide_modalities(one, 0.5) is one
    assert hide_modalities(two, 0.0) is two
    assert torch.equal(torch.get_rng_state(), state)
