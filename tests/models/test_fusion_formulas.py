"""Every fusion equals its formula, worked out independently."""

import itertools

import numpy as np
import pytest
import torch

from medfusion import spec
from medfusion.models import fusion
from medfusion.models.features import Features, Width
from medfusion.registry import create

WIDTHS = {"image": Width(7, 5), "table": Width(4, 3)}
TOKENS = {"image": 6, "table": 3}


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


def slots_of(made, feats, present):
    slots = made.slots({n: Features(*f) for n, f in feats.items()}, present)
    return slots.detach().double().numpy()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_gated_equals_the_papers_formula_for_two_modalities():
    present, feats = all_patterns(2), features(4)
    made = make(spec.GatedFusion(dim=8)).double()
    feats = {n: Features(f.vector.double(), f.tokens.double(), f.mask) for n, f in feats.items()}
    z, aux, _ = made(feats, present)
    p = {name: value.detach().numpy() for name, value in made.named_parameters()}
    h = {}
    for m, name in enumerate(("image", "table")):
        linear = feats[name].vector.numpy() @ p[f"project.{name}.weight"].T
        linear += p[f"project.{name}.bias"]
        h[name] = np.where(present[:, m, None].numpy(), linear, p[f"absent.{name}"])
    gate = sigmoid(
        np.concatenate([h["image"], h["table"]], axis=1) @ p["gate.weight"].T + p["gate.bias"]
    )
    expected = gate * np.tanh(h["image"]) + (1 - gate) * np.tanh(h["table"])
    np.testing.assert_allclose(z.detach().numpy(), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(aux["gates"][:, 0].detach().numpy(), gate, rtol=0, atol=1e-12)
    np.testing.assert_allclose(aux["gates"].sum(dim=1).detach().numpy(), 1, rtol=0, atol=1e-12)


def test_gated_has_a_gate_of_its_own_per_modality_for_three():
    widths = {"a": Width(2, 1), "b": Width(2, 1), "c": Width(2, 1)}
    made = create(spec.GatedFusion(dim=4, dropout=0.0), widths=widths).double()
    feats = {
        name: Features(torch.randn(3, 2).double(), torch.zeros(3, 1, 1), torch.ones(3, 1).bool())
        for name in widths
    }
    z, aux, _ = made(feats, torch.ones(3, 3).bool())
    h = slots_of(made, feats, torch.ones(3, 3).bool())
    weight, bias = made.gate.weight.detach().numpy(), made.gate.bias.detach().numpy()
    gates = sigmoid(h.reshape(3, 12) @ weight.T + bias).reshape(3, 3, 4)
    np.testing.assert_allclose(aux["gates"].detach().numpy(), gates, atol=1e-12)
    np.testing.assert_allclose(
        z.detach().numpy(), (gates * np.tanh(h)).sum(axis=1), rtol=0, atol=1e-12
    )


def test_attention_weights_are_a_masked_softmax():
    present, feats = all_patterns(2), features(4)
    made = make(spec.AttentionFusion(dim=8))
    weights = made(feats, present).aux["weights"].detach().numpy()
    h = slots_of(made, feats, present)
    hidden = np.tanh(h @ made.hidden.weight.detach().numpy().T + made.hidden.bias.detach().numpy())
    scores = np.exp(hidden @ made.score.weight.detach().numpy()[0])
    allowed = present.numpy().copy()
    allowed[-1] = True
    expected = scores * allowed / (scores * allowed).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(weights, expected, rtol=1e-5)
    assert (weights[:3][~present[:3].numpy()] == 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)


def test_bilinear_of_full_rank_equals_the_full_outer_product():
    dim = 5
    made = create(spec.BilinearFusion(dim=dim, rank=dim + 1, dropout=0.0), widths=WIDTHS).double()
    full = torch.randn(dim + 1, dim + 1, dim).double()
    with torch.no_grad():
        # Rank r picks entry r of the first modality, and carries that slice for the second.
        made.factors[0].copy_(torch.eye(dim + 1)[:, :, None].expand(-1, -1, dim))
        made.factors[1].copy_(full)
    feats = {
        n: Features(f.vector.double(), f.tokens.double(), f.mask) for n, f in features(9).items()
    }
    present = torch.ones(9, 2).bool()
    h = np.concatenate([slots_of(made, feats, present), np.ones((9, 2, 1))], axis=2)
    outer = h[:, 0, :, None] * h[:, 1, None, :]
    expected = np.einsum("bij,ijk->bk", outer, full.numpy()) + made.bias.detach().numpy()
    z = made(feats, present).z.detach().numpy()
    np.testing.assert_allclose(z, expected, rtol=0, atol=1e-11)


def test_bilinear_starts_at_unit_scale_whatever_the_rank():
    torch.manual_seed(0)
    for rank in (1, 8, 64):
        made = fusion.BilinearFusion(spec.BilinearFusion(dim=64, rank=rank), widths=WIDTHS)
        slots = torch.randn(256, 2, 64)
        made.slots = lambda *_, slots=slots: slots
        z = made.eval().fuse({}, torch.ones(256, 2).bool()).z
        assert 0.7 < float(z.detach().std()) < 1.4


@pytest.fixture
def cross():
    return make(spec.CrossAttentionFusion(dim=8, heads=2, layers=2))


def test_cross_attention_spreads_over_the_real_tokens_of_the_other(cross):
    present, feats = torch.ones(5, 2).bool(), features(5)
    cross.return_weights = True
    aux = cross(feats, present).aux
    for name, other in (("image", "table"), ("table", "image")):
        weights = aux[f"attention/{name}"]
        assert weights.shape == (5, 2, 2, 1 + TOKENS[name], TOKENS[other])
        torch.testing.assert_close(weights.sum(dim=-1), torch.ones(weights.shape[:-1]))
        mask = feats[other].mask[:, None, None, None].expand_as(weights)
        assert (weights[~mask] == 0).all()
        assert (weights[mask] > 0).all()
    several = feats["image"].mask.sum(dim=1) > 1
    assert (aux["attention/table"][several].amax(dim=-1) < 1).all()
    changed = cross(features(5, seed=2), present).aux["attention/table"]
    assert not torch.allclose(changed, aux["attention/table"])


def test_cross_attention_with_and_without_weights_agrees(cross):
    present, feats = all_patterns(2), features(4)
    plain = cross(feats, present)
    cross.return_weights = True
    told = cross(feats, present)
    torch.testing.assert_close(told.z, plain.z)
    assert plain.aux == {}
    # The table is absent in row 1: the image hears nothing, and says so.
    assert (told.aux["attention/image"][1] == 0).all()


def test_cross_attention_equals_an_independent_computation():
    made = make(spec.CrossAttentionFusion(dim=8, heads=2, layers=1)).double()
    feats = {
        n: Features(f.vector.double(), f.tokens.double(), f.mask) for n, f in features(3).items()
    }
    present = torch.ones(3, 2).bool()
    p = {name: value.detach().numpy() for name, value in made.named_parameters()}

    def linear(x, name):
        return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return scaled * p[f"{name}.weight"] + p[f"{name}.bias"]

    def gelu(x):
        return 0.5 * x * (1 + np.vectorize(__import__("math").erf)(x / np.sqrt(2)))

    h = slots_of(made, feats, present)
    expected = []
    for row in range(3):
        states, summaries = {}, []
        for m, name in enumerate(("image", "table")):
            tokens = linear(feats[name].tokens[row].numpy(), f"project_tokens.{name}")
            states[name] = np.concatenate([h[row, m : m + 1], tokens])
        for name, other in (("image", "table"), ("table", "image")):
            block = f"layers.0.{name}"
            keep = feats[other].mask[row].numpy()
            keys = norm(states[other][1:][keep], f"{block}.norm_key")
            query = linear(norm(states[name], f"{block}.norm_query"), f"{block}.query")
            both = linear(keys, f"{block}.key_value")
            heard = []
            for head in range(2):
                cut = slice(4 * head, 4 * head + 4)
                scores = np.exp(query[:, cut] @ both[:, :8][:, cut].T / 2)
                heard.append(scores / scores.sum(-1, keepdims=True) @ both[:, 8:][:, cut])
            x = states[name] + linear(np.concatenate(heard, axis=1), f"{block}.out")
            inner = gelu(linear(norm(x, f"{block}.feed_forward.0"), f"{block}.feed_forward.1"))
            x = norm(x + linear(inner, f"{block}.feed_forward.4"), "norm")
            summaries.append(x[0] + x[1:][feats[name].mask[row].numpy()].mean(axis=0))
        expected.append(np.maximum(linear(np.concatenate(summaries), "out"), 0))
    z = made(feats, present).z.detach().numpy()
    np.testing.assert_allclose(z, np.array(expected), rtol=0, atol=1e-10)
