"""The table encoder: tokens per column, masks, and sane answers to missing and unseen."""

import numpy as np
import pytest
import torch

from medfusion import spec
from medfusion.models.tabular.columns import ColumnTokens
from medfusion.registry import create


@pytest.fixture
def columns():
    torch.manual_seed(0)
    made = ColumnTokens(numeric=2, categories=[5, 2, 4], width=3)
    with torch.no_grad():
        made.missing.normal_()
        made.special.normal_()
    return made


def test_tokens_equal_their_formula(columns):
    numeric = torch.tensor([[0.5, -2.0], [torch.nan, 1.0]])
    there = torch.tensor([[True, True], [False, True]])
    codes = torch.tensor([[2, 0, 3], [1, 1, 2]])
    tokens = columns(numeric, there, codes).detach().numpy()
    weight, known = columns.weight.detach().numpy(), columns.known.detach().numpy()
    bias = columns.bias.detach().numpy().reshape(2, 3)
    missing = columns.missing.detach().numpy().reshape(2, 3)
    special = columns.special.detach().numpy().reshape(3, 2, 3)
    means = [known[:3].mean(axis=0), np.zeros(3), known[3:].mean(axis=0)]
    expected = np.array(
        [
            [
                0.5 * weight[0] + bias[0],
                -2 * weight[1] + bias[1],
                known[0],
                means[1] + special[1, 0],
                known[4],
            ],
            [
                bias[0] + missing[0],
                weight[1] + bias[1],
                means[0] + special[0, 1],
                means[1] + special[1, 1],
                known[3],
            ],
        ]
    )
    np.testing.assert_allclose(tokens, expected, rtol=0, atol=1e-6)


def test_before_any_training_missing_is_the_average():
    made = ColumnTokens(numeric=1, categories=[6], width=4)
    lost = made(torch.zeros(1, 1), torch.zeros(1, 1).bool(), torch.zeros(1, 1).long())
    mean = made(torch.zeros(1, 1), torch.ones(1, 1).bool(), torch.ones(1, 1).long())
    torch.testing.assert_close(lost, mean)
    torch.testing.assert_close(lost[0, 1], made.known.mean(dim=0))


def test_an_unseen_category_answers_like_the_known_ones_after_training():
    torch.manual_seed(0)
    encoder = create(spec.MLPEncoder(hidden=(16,), dropout=0.0), numeric=0, categories=[6])
    out = torch.nn.Linear(16, 1)
    optimizer = torch.optim.Adam([*encoder.parameters(), *out.parameters()], lr=0.02)
    codes = torch.arange(2, 6).repeat(16)[:, None]
    target = codes.float() - 2
    none = torch.zeros(64, 0)

    def predict(codes):
        rows = len(codes)
        return out(encoder(none[:rows], none[:rows].bool(), codes).vector)

    for _ in range(200):
        loss = (predict(codes) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.05
    unseen = float(predict(torch.tensor([[1]])).detach())
    assert 0 < unseen < 3


def test_mask_says_which_columns_are_there():
    encoder = create(spec.MLPEncoder(hidden=(4,)), numeric=2, categories=[3])
    there = torch.tensor([[True, False], [False, False]])
    features = encoder(torch.zeros(2, 2), there, torch.tensor([[1], [0]]))
    assert features.mask.tolist() == [[True, False, True], [False, False, False]]
    assert features.vector.shape == (2, 4)
    assert features.tokens.shape == (2, 3, 16)
    assert encoder.width == (4, 16)


def test_absent_numbers_are_not_read_forward_or_backward():
    encoder = create(spec.MLPEncoder(), numeric=2, categories=[]).eval()
    there = torch.tensor([[True, False]])
    none = torch.zeros(1, 0).long()
    zero = encoder(torch.tensor([[1.0, 0.0]]), there, none).vector
    spoilt = encoder(torch.tensor([[1.0, torch.nan]]), there, none).vector
    torch.testing.assert_close(spoilt, zero, rtol=0, atol=0)
    spoilt.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in encoder.parameters())


@pytest.mark.parametrize(("numeric", "categories"), [(3, []), (0, [4, 2]), (1, [2])])
@pytest.mark.parametrize("rows", [0, 1, 5])
def test_columns_of_one_kind_only(numeric, categories, rows):
    encoder = create(spec.MLPEncoder(), numeric=numeric, categories=categories)
    codes = torch.zeros(rows, len(categories)).long()
    features = encoder(torch.randn(rows, numeric), torch.ones(rows, numeric).bool(), codes)
    assert features.vector.shape == (rows, 32)
    assert features.vector.isfinite().all()


def test_offsets_and_biases_are_vectors_and_so_spared_by_weight_decay():
    encoder = create(spec.MLPEncoder(), numeric=3, categories=[4])
    matrices = {name for name, p in encoder.named_parameters() if p.ndim >= 2}
    assert matrices == {
        "columns.weight", "columns.known", "layers.0.weight", "layers.3.weight",
    }  # fmt: skip


def test_the_rows_of_a_column_do_not_leak_into_another(columns):
    numeric, there = torch.zeros(1, 2), torch.ones(1, 2).bool()
    base = columns(numeric, there, torch.tensor([[2, 1, 2]]))
    other = columns(numeric, there, torch.tensor([[2, 1, 3]]))
    assert torch.equal(base[:, :4], other[:, :4])
    assert not torch.equal(base[:, 4], other[:, 4])
