"""The FT-Transformer against a computation of its own, token by token."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from medfusion import spec
from medfusion.registry import create

SMALL = spec.FTTransformerEncoder(embedding=12, heads=3, layers=2)
BINS = [[-1.0, 0.0, 1.0], []]


def make(settings=SMALL, seed=0):
    torch.manual_seed(seed)
    made = create(settings, numeric=2, categories=[5, 3], bins=BINS)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "norm" in name or "missing" in name or "special" in name or "piecewise" in name:
                parameter.normal_()
    return made.eval()


def inputs(rows=4):
    torch.manual_seed(1)
    there = torch.rand(rows, 2) > 0.4
    return torch.randn(rows, 2), there, torch.randint(0, 3, (rows, 2))


def norm(x, weight, bias):
    return (x - x.mean()) / np.sqrt(x.var() + 1e-5) * weight + bias


def by_hand(encoder, tokens):
    """Summary and tokens of one row, [T, c], in loops over heads, queries and keys."""
    p = {name: value.detach().double().numpy() for name, value in encoder.state_dict().items()}
    heads, width = encoder.layers[0].heads, encoder.width.vector
    size = width // heads
    t = np.concatenate([p["summary"][None], tokens])
    for index in range(len(encoder.layers)):
        w = {k.removeprefix(f"layers.{index}."): v for k, v in p.items()}
        normed = t
        if index > 0:
            normed = np.array(
                [norm(x, w["norm_attention.weight"], w["norm_attention.bias"]) for x in t]
            )
        q, k, v = np.split(
            normed @ w["query_key_value.weight"].T + w["query_key_value.bias"], 3, axis=1
        )
        heard = np.zeros_like(t)
        for h in range(heads):
            part = slice(h * size, (h + 1) * size)
            for i in range(len(t)):
                scores = np.array([q[i, part] @ k[j, part] / np.sqrt(size) for j in range(len(t))])
                weights = np.exp(scores - scores.max())
                weights /= weights.sum()
                heard[i, part] = sum(weights[j] * v[j, part] for j in range(len(t)))
        t = t + heard @ w["out.weight"].T + w["out.bias"]
        normed = np.array([norm(x, w["norm_hidden.weight"], w["norm_hidden.bias"]) for x in t])
        a, b = np.split(normed @ w["hidden.weight"].T + w["hidden.bias"], 2, axis=1)
        t = t + (a * np.maximum(b, 0)) @ w["shrink.weight"].T + w["shrink.bias"]
    t = np.array([norm(x, p["norm.weight"], p["norm.bias"]) for x in t])
    return np.maximum(t[0], 0), t[1:]


def test_it_equals_the_formula_by_hand():
    encoder, batch = make(), inputs()
    columns = encoder.columns(*batch).detach().double().numpy()
    features = encoder(*batch)
    for row in range(4):
        vector, tokens = by_hand(encoder, columns[row])
        np.testing.assert_allclose(features.vector[row].detach(), vector, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(features.tokens[row].detach(), tokens, rtol=1e-4, atol=1e-5)


def test_there_is_no_norm_before_the_first_attention():
    names = {name for name, _ in make().named_parameters() if "norm_attention" in name}
    assert names == {"layers.1.norm_attention.weight", "layers.1.norm_attention.bias"}


def test_a_missing_column_is_heard_by_its_learned_token_and_masked_outside():
    encoder, (numeric, _, codes) = make(), inputs()
    there = torch.tensor([[True, True]]).repeat(4, 1)
    lost = there & torch.tensor([False, True])
    features = encoder(numeric.masked_fill(~lost, torch.nan), lost, codes)
    assert features.mask[:, :2].tolist() == lost.tolist()
    assert torch.equal(features.mask[:, 2:], codes != 0)
    assert features.vector.isfinite().all()
    # That a value is missing tells something: another learned token changes the summary.
    with torch.no_grad():
        encoder.columns.missing[:12] += 1
    assert not torch.allclose(encoder(numeric, lost, codes).vector, features.vector)
    whole = encoder(numeric, there, codes).vector
    with torch.no_grad():
        encoder.columns.missing[:12] += 1
    torch.testing.assert_close(encoder(numeric, there, codes).vector, whole, rtol=0, atol=0)


def test_columns_hear_each_other():
    encoder, (numeric, there, codes) = make(), inputs()
    there = torch.ones_like(there)
    other = numeric.clone()
    other[:, 0] += 1
    before, after = encoder(numeric, there, codes), encoder(other, there, codes)
    assert not torch.allclose(before.tokens[:, 3], after.tokens[:, 3])
    assert not torch.allclose(before.vector, after.vector)


def test_heads_divide_the_width():
    with pytest.raises(ValidationError, match="embedding 10 is not divisible by 4 heads"):
        spec.FTTransformerEncoder(embedding=10)


def test_dropout_acts_in_training_only_and_is_replayed():
    encoder, batch = make().train(), inputs()
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = encoder(*batch).vector
    assert not torch.equal(encoder(*batch).vector, first)
    torch.set_rng_state(state)
    assert torch.equal(encoder(*batch).vector, first)
    encoder.eval()
    assert torch.equal(encoder(*batch).vector, encoder(*batch).vector)
