"""View aggregators against NumPy."""

import numpy as np
import pytest
import torch

from medfusion import spec
from medfusion.models import aggregators
from medfusion.registry import create


@pytest.mark.parametrize(
    ("settings", "oracle"), [(spec.MeanViews(), np.mean), (spec.MaxViews(), np.max)]
)
def test_only_present_views_count(settings, oracle):
    vectors = torch.randn(6, 3, 4)
    present = torch.tensor(
        [[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 0]]
    ).bool()
    vectors[~present] = torch.nan
    vectors.requires_grad_()
    made = create(settings, width=4)
    assert isinstance(made, aggregators.Aggregator)
    whole, aux = made(vectors, present)
    assert aux == {}
    for row in range(5):
        seen = vectors[row][present[row]].detach().numpy()
        np.testing.assert_allclose(whole[row].detach().numpy(), oracle(seen, axis=0), rtol=1e-6)
    assert (whole[5] == 0).all()
    whole.square().sum().backward()
    assert vectors.grad.isfinite().all()
    assert (vectors.grad[~present] == 0).all()
    assert (vectors.grad[present].abs().sum(dim=1) > 0).any()


@pytest.mark.parametrize("settings", [spec.MeanViews(), spec.MaxViews()])
def test_order_of_views_does_not_matter(settings):
    vectors, present = torch.randn(5, 4, 3), torch.rand(5, 4) > 0.4
    made, order = create(settings, width=3), torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(
        made(vectors, present).vector, made(vectors[:, order], present[:, order]).vector
    )
