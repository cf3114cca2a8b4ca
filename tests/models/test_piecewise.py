"""Piecewise-linear embeddings against their formula, and what they are good for."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medfusion import spec
from medfusion.models.tabular.columns import ColumnTokens
from medfusion.models.tabular.piecewise import PiecewiseLinear
from medfusion.registry import create


def formula(x, edges):
    """Equation 1 of Gorishniy et al. 2022, bin by bin as it is printed."""
    bins = len(edges) - 1
    found = []
    for t in range(1, bins + 1):
        if x < edges[t - 1] and t > 1:
            found.append(0.0)
        elif x >= edges[t] and t < bins:
            found.append(1.0)
        else:
            found.append((x - edges[t - 1]) / (edges[t] - edges[t - 1]))
    return found


EDGES = st.lists(st.integers(-50, 50), min_size=3, max_size=12, unique=True).map(sorted)


@settings(max_examples=50, deadline=None)
@given(st.lists(EDGES, min_size=1, max_size=4), st.data())
def test_the_encoding_is_the_papers(bins, data):
    values = data.draw(
        st.lists(
            st.lists(st.integers(-80, 80), min_size=len(bins), max_size=len(bins)),
            min_size=1,
            max_size=6,
        )
    )
    encoded = PiecewiseLinear(bins, width=2).encode(torch.tensor(values).float()).numpy()
    most = max(len(edges) for edges in bins) - 1
    expected = np.array(
        [
            [
                formula(x, edges) + [0.0] * (most + 1 - len(edges))
                for x, edges in zip(row, bins, strict=True)
            ]
            for row in values
        ]
    )
    np.testing.assert_allclose(encoded, expected, rtol=1e-6, atol=1e-6)


def test_the_embedding_is_continuous_and_linear_inside_a_bin():
    made = PiecewiseLinear([[-1.0, 0.5, 2.0]], width=3)
    with torch.no_grad():
        made.weight.normal_()
    near = made(torch.tensor([[0.5 - 1e-6], [0.5 + 1e-6]]))
    torch.testing.assert_close(near[0], near[1], rtol=0, atol=1e-4)
    ends = made(torch.tensor([[-1.0], [-0.25], [0.5]]))
    torch.testing.assert_close(ends[1], (ends[0] + ends[2]) / 2)
    beyond = made(torch.tensor([[2.0], [3.0], [4.0]]))
    torch.testing.assert_close(beyond[1], (beyond[0] + beyond[2]) / 2)


def test_columns_with_one_bin_or_none_stay_linear():
    torch.manual_seed(0)
    linear = ColumnTokens(numeric=3, categories=[4], width=5)
    torch.manual_seed(0)
    binned = ColumnTokens(
        numeric=3, categories=[4], width=5, bins=[[0.0, 1.0], [], [-1.0, 0.0, 1.0]]
    )
    with torch.no_grad():
        binned.piecewise.weight.normal_()
    inputs = (torch.randn(6, 3), torch.rand(6, 3) > 0.3, torch.randint(0, 4, (6, 1)))
    same = [0, 1, 3]
    torch.testing.assert_close(binned(*inputs)[:, same], linear(*inputs)[:, same], rtol=0, atol=0)
    assert not torch.allclose(binned(*inputs)[:, 2], linear(*inputs)[:, 2])


@pytest.mark.parametrize("bins", [(), [[], [0.0, 1.0]], [[1.0], []]])
def test_without_bins_the_state_is_that_of_a_linear_embedding(bins):
    plain = ColumnTokens(numeric=2, categories=[], width=3)
    made = ColumnTokens(numeric=2, categories=[], width=3, bins=bins)
    assert made.state_dict().keys() == plain.state_dict().keys()


def test_bins_of_another_number_of_columns_are_an_error():
    with pytest.raises(ValueError, match="bins for 1 of 2 numeric columns"):
        ColumnTokens(numeric=2, categories=[], width=3, bins=[[0.0, 1.0, 2.0]])


def test_it_begins_as_the_linear_embedding_and_missing_as_the_mean():
    torch.manual_seed(0)
    made = ColumnTokens(numeric=1, categories=[], width=4, bins=[[-2.0, 0.5, 2.0]])
    values = torch.randn(5, 1)
    there = torch.ones(5, 1).bool()
    expected = values[..., None] * made.weight + made.bias
    torch.testing.assert_close(made(values, there, torch.zeros(5, 0).long()), expected)
    with torch.no_grad():
        made.piecewise.weight.normal_()
    none = torch.zeros(1, 0).long()
    lost = made(torch.full((1, 1), torch.nan), torch.zeros(1, 1).bool(), none)
    mean = made(torch.zeros(1, 1), torch.ones(1, 1).bool(), none)
    torch.testing.assert_close(lost, mean, rtol=0, atol=0)


def test_the_edges_are_in_the_state():
    made = PiecewiseLinear([[0.0, 1.0, 2.0], [0.0, 3.0, 5.0]], width=2)
    other = PiecewiseLinear([[7.0, 8.0, 9.0], [1.0, 2.0, 3.0]], width=2)
    with torch.no_grad():
        made.weight.normal_()
    other.load_state_dict(made.state_dict())
    values = torch.randn(4, 2)
    torch.testing.assert_close(other(values), made(values), rtol=0, atol=0)


def test_absurd_values_and_narrow_bins_stay_finite():
    made = ColumnTokens(numeric=1, categories=[], width=2, bins=[[-1e6, -1e6 + 0.125, 1e6]])
    with torch.no_grad():
        made.piecewise.weight.fill_(0.1)
    tokens = made(
        torch.tensor([[1e6], [-1e6], [torch.nan]]),
        torch.tensor([[True], [True], [False]]),
        torch.zeros(3, 0).long(),
    )
    assert tokens.isfinite().all()
    tokens.sum().backward()
    assert all(p.grad.isfinite().all() for p in made.parameters() if p.grad is not None)


@pytest.mark.parametrize("kind", ["mlp", "ft-transformer", "tabm"])
def test_an_effect_that_falls_and_rises_is_learned_better_than_by_a_line(kind):
    """A risk in the shape of a U over three bends of one column; the other columns are noise."""
    rng = np.random.default_rng(0)
    age = rng.uniform(-2, 2, 1200)
    noise = rng.normal(size=(1200, 3))
    columns = torch.from_numpy(np.column_stack([age, noise])).float()
    target = torch.from_numpy(np.sin(2.5 * age) + 0.3 * rng.normal(size=1200)).float()
    bins = [
        np.quantile(column[:800], np.linspace(0, 1, 17)).tolist() for column in columns.numpy().T
    ]
    losses = {}
    small = {"mlp": {"hidden": (16,)}, "ft-transformer": {"embedding": 8, "heads": 2, "layers": 1},
             "tabm": {"hidden": (16,), "members": 4}}[kind]  # fmt: skip
    maker = {"mlp": spec.MLPEncoder, "ft-transformer": spec.FTTransformerEncoder,
             "tabm": spec.TabMEncoder}[kind]  # fmt: skip
    for embeddings in ("linear", "ple"):
        torch.manual_seed(0)
        encoder = create(maker(embeddings=embeddings, **small), numeric=4, categories=[], bins=bins)
        out = torch.nn.Linear(encoder.width.vector, 1)
        optimizer = torch.optim.AdamW([*encoder.parameters(), *out.parameters()], lr=0.005)
        there, none = torch.ones(1200, 4).bool(), torch.zeros(1200, 0).long()
        for _ in range(8):
            for rows in torch.randperm(800).split(50):
                found = out(encoder(columns[rows], there[rows], none[rows]).vector)[:, 0]
                loss = (found - target[rows]).square().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        encoder.eval()
        with torch.no_grad():
            found = out(encoder(columns[800:], there[800:], none[800:]).vector)[:, 0]
        losses[embeddings] = float((found - target[800:]).square().mean())
    assert losses["ple"] < 0.8 * losses["linear"], losses
