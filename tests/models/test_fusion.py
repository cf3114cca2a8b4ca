"""Every fusion of the registry keeps the one contract."""

import itertools

import pytest
import torch

from medfusion import spec
from medfusion.models import fusion
from medfusion.models.features import Features, Width
from medfusion.registry import create, list_kinds

WIDTHS = {"image": Width(7, 5), "table": Width(4, 3), "report": Width(6, 2)}
TOKENS = {"image": 6, "table": 3, "report": 0}
SPECS = [
    spec.ConcatenateFusion(dim=8),
    spec.GatedFusion(dim=8),
    spec.AttentionFusion(dim=8),
    spec.CrossAttentionFusion(dim=8, heads=2, layers=2),
    spec.BilinearFusion(dim=8, rank=3),
    spec.PerceiverFusion(dim=8, heads=2, latents=3),
    spec.KroneckerFusion(dim=8, width=4),
    spec.MFBFusion(dim=8, factors=3),
    spec.FiLMFusion(dim=8),
    spec.DAFTFusion(dim=8, reduction=4),
    spec.TabAttentionFusion(dim=8, reduction=2),
    spec.MixtureOfExpertsFusion(dim=8, experts=3),
    spec.LateFusion(dim=8),
    spec.ProductOfExpertsFusion(dim=8),
]
READ_TOKENS = {"cross-attention", "perceiver", "film", "daft", "tab-attention"}
"""Fusions that read tokens: all of them, or those of the map."""
MODALITIES = [("image", "table"), ("image",), ("table",), ("table", "image", "report")]

every_fusion = pytest.mark.parametrize("settings", SPECS, ids=lambda s: s.kind)
every_set = pytest.mark.parametrize("names", MODALITIES, ids="+".join)


def make(settings, names=("image", "table"), seed=0):
    torch.manual_seed(seed)
    made = create(settings, widths={name: WIDTHS[name] for name in names}).eval()
    # What starts at zero would hide mistakes.
    for parameter in made.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter)
    return made


def features(rows, names=("image", "table"), seed=1):
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name in names:
        count, (vector, token) = TOKENS[name], WIDTHS[name]
        mask = torch.rand(rows, count, generator=generator) > 0.3
        mask[:, :1] = True
        found[name] = Features(
            torch.randn(rows, vector, generator=generator),
            torch.randn(rows, count, token, generator=generator),
            mask,
        )
    return found


def all_patterns(count):
    """One row per subset of the modalities, the empty one too."""
    return torch.tensor(list(itertools.product([True, False], repeat=count)))


def spoilt(feats, present, value):
    """The same where present; `value` in absent modalities and masked tokens."""
    changed = {}
    for m, (name, (vector, tokens, mask, _)) in enumerate(feats.items()):
        there = present[:, m]
        changed[name] = Features(
            torch.where(there[:, None], vector, value),
            torch.where((there[:, None] & mask)[..., None], tokens, value),
            torch.where(there[:, None], mask, True),
        )
    return changed


def whole(output):
    """A scalar that all of a fusion's output enters, as in training."""
    weights = torch.linspace(0.5, 2.0, output.z.shape[1])
    return (output.z.float() * weights).square().sum() + sum(output.losses.values())


def test_every_registered_fusion_is_tested():
    assert {s.kind for s in SPECS} == set(list_kinds("fusion"))
    assert len(SPECS) == len(fusion.__all__) - 1  # the contract itself is no fusion


@every_fusion
@every_set
def test_output_is_finite_for_every_pattern_and_none_at_all(settings, names):
    present = all_patterns(len(names))
    z, aux, losses = make(settings, names)(features(len(present), names), present)
    assert z.shape == (len(present), 8)
    assert z.isfinite().all()
    assert all(value.isfinite().all() and len(value) == len(present) for value in aux.values())
    assert all(value.isfinite() and value.shape == () for value in losses.values())


@every_fusion
@every_set
@pytest.mark.parametrize("value", [0.0, 1e30, torch.nan, torch.inf])
def test_output_does_not_depend_on_what_is_absent(settings, names, value):
    present = all_patterns(len(names))
    feats = features(len(present), names)
    made = make(settings, names)
    z, aux, losses = made(feats, present)
    other_z, other_aux, other_losses = made(spoilt(feats, present, value), present)
    torch.testing.assert_close(other_z, z, rtol=0, atol=0)
    for name in aux:
        torch.testing.assert_close(other_aux[name], aux[name], rtol=0, atol=0)
    assert other_losses == losses


@every_fusion
def test_gradients_stay_finite_with_nan_in_what_is_absent(settings):
    present = all_patterns(2)
    made = make(settings)
    whole(made(spoilt(features(4), present, torch.nan), present)).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in made.parameters())


@every_fusion
def test_rows_do_not_touch_each_other(settings):
    present = all_patterns(2)
    feats, made = features(4), make(settings)
    z = made(feats, present).z
    for row in range(4):
        alone = {name: Features(*(part[row : row + 1] for part in f)) for name, f in feats.items()}
        torch.testing.assert_close(made(alone, present[row : row + 1]).z[0], z[row])


@every_fusion
def test_order_of_the_dictionary_does_not_matter(settings):
    present, feats = all_patterns(2), features(4)
    made = make(settings)
    turned = dict(reversed(feats.items()))
    assert list(turned) != list(feats)
    torch.testing.assert_close(made(turned, present).z, made(feats, present).z, rtol=0, atol=0)


@every_fusion
@every_set
def test_gradient_reaches_every_present_encoder_and_no_absent_one(settings, names):
    present = all_patterns(len(names))
    feats = {
        name: Features(f.vector.requires_grad_(), f.tokens.requires_grad_(), f.mask)
        for name, f in features(len(present), names).items()
    }
    whole(make(settings, names)(feats, present)).backward()
    for m, name in enumerate(names):
        there = present[:, m]
        vector = feats[name].vector.grad.abs().sum(dim=1)
        assert (vector[there] > 0).all()
        assert (vector[~there] == 0).all()
        if feats[name].tokens.grad is not None and TOKENS[name]:
            tokens = feats[name].tokens.grad.abs().sum(dim=2)
            there = there[:, None] & feats[name].mask
            assert (tokens[there] > 0).all()
            assert (tokens[~there] == 0).all()
    read = {name for name in names if feats[name].tokens.grad is not None}
    assert bool(read) == (settings.kind in READ_TOKENS)


@every_fusion
@every_set
def test_gradient_reaches_every_encoder_as_soon_as_training_starts(settings, names):
    torch.manual_seed(3)
    made = create(settings, widths={name: WIDTHS[name] for name in names})
    feats = features(8, names)
    feats = {n: f._replace(vector=f.vector.requires_grad_()) for n, f in feats.items()}
    whole(made(feats, torch.ones(8, len(names)).bool())).backward()
    assert all(f.vector.grad.any() for f in feats.values())


@every_fusion
@every_set
def test_mixed_precision_gives_finite_outputs_and_gradients(settings, names):
    present = all_patterns(len(names))
    for train in (True, False):
        made = make(settings, names).train(train)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = made(spoilt(features(len(present), names), present, torch.nan), present)
            loss = whole(output)
        assert output.z.isfinite().all()
        loss.backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in made.parameters())


@every_fusion
def test_every_parameter_learns_when_all_patterns_occur(settings):
    present = all_patterns(2).repeat(8, 1)
    made = make(settings)
    whole(made(features(32), present)).backward()
    silent = [n for n, p in made.named_parameters() if p.grad is None or not p.grad.any()]
    # A bias of keys shifts all scores of a softmax alike; its half of `key_value` still learns.
    assert silent == []


@every_fusion
def test_saved_and_loaded_it_is_the_same(settings):
    present, feats = all_patterns(2), features(4)
    made, other = make(settings), make(settings, seed=5)
    assert not torch.equal(made(feats, present).z, other(feats, present).z)
    other.load_state_dict(made.state_dict())
    torch.testing.assert_close(other(feats, present).z, made(feats, present).z, rtol=0, atol=0)


@every_fusion
def test_a_batch_of_no_rows(settings):
    for train in (True, False):
        output = make(settings).train(train)(features(0), torch.zeros(0, 2).bool())
        assert output.z.shape == (0, 8)
        assert all(value.isfinite() for value in output.losses.values())


@every_fusion
def test_wrong_modalities_and_masks_are_refused(settings):
    made = make(settings)
    with pytest.raises(ValueError, match="made for"):
        made(features(2, ("image",)), torch.ones(2, 2).bool())
    with pytest.raises(ValueError, match=r"present must be bool \[B, 2\]"):
        made(features(2), torch.ones(2, 2))
