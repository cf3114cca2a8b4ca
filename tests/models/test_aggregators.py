"""View aggregators against NumPy, and what every one of them has to keep to."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from medfusion import spec
from medfusion.errors import InputError
from medfusion.models import aggregators
from medfusion.models.aggregators import nystrom
from medfusion.models.aggregators.contract import masked_softmax
from medfusion.models.aggregators.nystrom import NystromAttention, pseudo_inverse
from medfusion.registry import create, list_kinds

WIDTH, VIEWS = 6, 5
SETTINGS = {
    "mean": spec.MeanViews(),
    "max": spec.MaxViews(),
    "top-mean": spec.TopMeanViews(top=2),
    "learned-weight": spec.LearnedWeightViews(),
    "attention": spec.AttentionViews(hidden=7),
    "gated-abmil": spec.GatedAttentionViews(hidden=7),
    "cross-view": spec.CrossViewAttention(heads=4),
    "cross-view without places": spec.CrossViewAttention(heads=4, embeddings=False),
    "transmil": spec.TransMILViews(dim=16, heads=2),
    "transmil approximated": spec.TransMILViews(dim=16, heads=2, landmarks=2, exact_up_to=1),
}
WEIGHTED = [name for name in SETTINGS if name not in ("mean", "max")]
UNORDERED = ["mean", "max", "top-mean", "attention", "gated-abmil", "cross-view without places"]

every_kind = pytest.mark.parametrize("name", SETTINGS)


def make(name, seed=0, width=WIDTH):
    torch.manual_seed(seed)
    made = create(SETTINGS[name], width=width, count=VIEWS)
    with torch.no_grad():  # also what begins as zeros is tried
        for parameter in made.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return made.eval()


def views(seed=1):
    """Vectors of rows with all, some, one and none of their views; NaN in those that lack."""
    torch.manual_seed(seed)
    present = torch.tensor(
        [[1, 1, 1, 1, 1], [1, 0, 1, 0, 1], [0, 1, 0, 0, 0], [0, 0, 0, 1, 1], [0, 0, 0, 0, 0]]
    ).bool()
    vectors = torch.randn(len(present), VIEWS, WIDTH)
    vectors[~present] = torch.nan
    return vectors, present


def test_every_kind_of_the_registry_is_tried():
    assert {settings.kind for settings in SETTINGS.values()} == set(list_kinds("views"))


@pytest.mark.parametrize(
    ("settings", "oracle"),
    [
        (spec.MeanViews(), lambda seen: seen.mean(axis=0)),
        (spec.MaxViews(), lambda seen: seen.max(axis=0)),
        (spec.TopMeanViews(top=2), lambda seen: np.sort(seen, axis=0)[-2:].mean(axis=0)),
        (spec.TopMeanViews(top=1), lambda seen: seen.max(axis=0)),
        (spec.TopMeanViews(top=9), lambda seen: seen.mean(axis=0)),
    ],
)
def test_without_parameters_it_is_numpy_over_what_is_present(settings, oracle):
    vectors, present = views()
    vectors.requires_grad_()
    made = create(settings, width=WIDTH)
    whole, _ = made(vectors, present)
    for row in range(4):
        seen = vectors[row][present[row]].detach().numpy()
        np.testing.assert_allclose(whole[row].detach().numpy(), oracle(seen), rtol=1e-6)
    whole.square().sum().backward()
    assert (vectors.grad[present].abs().sum(dim=1) > 0).any()


@every_kind
def test_absent_views_are_not_read_and_rows_without_any_are_zero(name):
    made, (vectors, present) = make(name), views()
    assert isinstance(made, aggregators.Aggregator)
    vectors.requires_grad_()
    whole = made(vectors, present)
    assert whole.vector.shape == (len(present), WIDTH)
    assert whole.vector.isfinite().all()
    assert (whole.vector[~present.any(dim=1)] == 0).all()
    other = vectors.detach().clone()
    other[~present] = 1e6
    again = made(other, present)
    torch.testing.assert_close(again.vector, whole.vector, rtol=0, atol=0)
    for key, value in whole.aux.items():
        torch.testing.assert_close(again.aux[key], value, rtol=0, atol=0)
    whole.vector.square().sum().backward()
    assert vectors.grad.isfinite().all()
    assert (vectors.grad[~present] == 0).all()
    for parameter in made.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()


@every_kind
def test_all_rows_without_any_view(name):
    made = make(name)
    vectors = torch.full((2, VIEWS, WIDTH), torch.nan)
    whole = made(vectors, torch.zeros(2, VIEWS).bool())
    assert (whole.vector == 0).all()
    assert all((value == 0).all() for value in whole.aux.values())


@every_kind
def test_a_row_does_not_depend_on_the_rest_of_the_batch(name):
    made, (vectors, present) = make(name), views()
    whole = made(vectors, present)
    for row in range(len(present)):
        alone = made(vectors[row : row + 1], present[row : row + 1])
        torch.testing.assert_close(alone.vector[0], whole.vector[row], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "name", [name for name in SETTINGS if name not in ("learned-weight", "cross-view")]
)
def test_more_empty_places_change_nothing(name):
    made, (vectors, present) = make(name), views()
    wide = torch.cat([vectors, torch.full((len(vectors), 3, WIDTH), torch.nan)], dim=1)
    there = torch.cat([present, torch.zeros(len(vectors), 3).bool()], dim=1)
    torch.testing.assert_close(made(wide, there).vector, made(vectors, present).vector)


@pytest.mark.parametrize("name", WEIGHTED)
def test_weights_sum_to_one_over_what_is_present(name):
    made, (vectors, present) = make(name), views()
    weights = made(vectors, present).aux["weights"]
    assert weights.shape == present.shape
    assert weights.dtype == torch.float32
    assert (weights >= 0).all()
    assert (weights[~present] == 0).all()
    torch.testing.assert_close(weights.sum(dim=1), present.any(dim=1).float())


@pytest.mark.parametrize("name", UNORDERED)
def test_where_order_does_not_matter_weights_move_with_their_views(name):
    made, (vectors, present) = make(name), views()
    whole = made(vectors, present)
    for order in (torch.tensor([2, 0, 4, 3, 1]), torch.arange(VIEWS).flip(0)):
        turned = made(vectors[:, order], present[:, order])
        torch.testing.assert_close(turned.vector, whole.vector)
        for key, value in whole.aux.items():
            torch.testing.assert_close(turned.aux[key], value[:, order])


@pytest.mark.parametrize("name", [name for name in SETTINGS if name not in UNORDERED])
def test_where_places_have_a_meaning_order_matters(name):
    made = make(name)
    torch.manual_seed(2)
    vectors, present = torch.randn(2, VIEWS, WIDTH), torch.ones(2, VIEWS).bool()
    order = torch.tensor([2, 0, 4, 3, 1])
    changed = (made(vectors[:, order], present).vector - made(vectors, present).vector).abs()
    assert changed.max() > 1e-3


def numpy_softmax(scores):
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def arrays(made):
    return {name: value.detach().double().numpy() for name, value in made.state_dict().items()}


def test_learned_weights_are_a_softmax_over_present_places():
    made, (vectors, present) = make("learned-weight"), views()
    scores = arrays(made)["scores"]
    whole = made(vectors, present)
    for row in range(4):
        there = present[row].numpy()
        weights = numpy_softmax(scores[there])
        seen = vectors[row].numpy()[there]
        np.testing.assert_allclose(whole.aux["weights"][row].detach()[there], weights, rtol=1e-5)
        np.testing.assert_allclose(whole.vector[row].detach(), weights @ seen, rtol=1e-4, atol=1e-6)
    fresh = create(spec.LearnedWeightViews(), width=WIDTH, count=VIEWS)
    mean = create(spec.MeanViews(), width=WIDTH, count=VIEWS)
    torch.testing.assert_close(fresh(vectors, present).vector, mean(vectors, present).vector)


@pytest.mark.parametrize("name", ["attention", "gated-abmil"])
def test_attention_is_that_of_ilse_et_al(name):
    made, (vectors, present) = make(name), views()
    state, whole = arrays(made), made(vectors, present)
    for row in range(4):
        there = present[row].numpy()
        seen = vectors[row].double().numpy()[there]
        hidden = np.tanh(seen @ state["hidden.weight"].T + state["hidden.bias"])
        if name == "gated-abmil":
            gate = seen @ state["gate.weight"].T + state["gate.bias"]
            hidden = hidden / (1 + np.exp(-gate))
        weights = numpy_softmax(hidden @ state["rate.weight"][0])
        np.testing.assert_allclose(whole.aux["weights"][row].detach()[there], weights, rtol=1e-5)
        np.testing.assert_allclose(whole.vector[row].detach(), weights @ seen, rtol=1e-4, atol=1e-6)


def numpy_norm(values, state, name):
    centred = values - values.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt(values.var(axis=-1, keepdims=True) + 1e-5)
    return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]


def numpy_gelu(values):
    return values * 0.5 * (1 + np.vectorize(math.erf)(values / math.sqrt(2)))


@pytest.mark.parametrize("name", ["cross-view", "cross-view without places"])
def test_cross_view_is_one_pre_norm_layer(name):
    made, (vectors, present) = make(name), views()
    state, whole = arrays(made), made(vectors, present)
    heads, inner = made.heads, made.inner
    assert inner == 4, "six features and four heads: one a head"
    for row in range(4):
        there = present[row].numpy()
        states = vectors[row].double().numpy()[there]
        if "places" in state:
            states = states + state["places"][there]
        parts = numpy_norm(states, state, "before") @ state["project.weight"].T
        query, key, value = np.split(parts + state["project.bias"], 3, axis=1)
        gathered, weights = [], []
        for head in range(heads):
            own = slice(head * inner // heads, (head + 1) * inner // heads)
            scores = query[:, own] @ key[:, own].T / math.sqrt(inner // heads)
            weights.append(numpy_softmax(scores))
            gathered.append(weights[-1] @ value[:, own])
        attended = np.concatenate(gathered, axis=1) @ state["back.weight"].T + state["back.bias"]
        states = states + attended
        fed = numpy_norm(states, state, "between") @ state["feed.0.weight"].T
        fed = numpy_gelu(fed + state["feed.0.bias"]) @ state["feed.3.weight"].T
        states = states + fed + state["feed.3.bias"]
        wanted = numpy_norm(states, state, "norm").mean(axis=0)
        np.testing.assert_allclose(whole.vector[row].detach(), wanted, rtol=1e-4, atol=1e-5)
        got = np.mean(weights, axis=(0, 1))
        np.testing.assert_allclose(whole.aux["weights"][row].detach()[there], got, rtol=1e-4)


def numpy_convolution(image, weight, bias):
    """Depth-wise, with zeros around: image [c, h, w], weight [c, 1, k, k]."""
    around = weight.shape[-1] // 2
    padded = np.pad(image, ((0, 0), (around, around), (around, around)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[-2:], axis=(1, 2))
    return np.einsum("chwij,cij->chw", windows, weight[:, 0]) + bias[:, None, None]


def numpy_attention(tokens, state, name, heads):
    """Exact attention of one bag [n, dim] with the convolution over values, and its weights."""
    parts = np.split(tokens @ state[f"{name}.project.weight"].T, 3, axis=1)
    width = tokens.shape[1] // heads
    gathered, weights = [], []
    for head in range(heads):
        query, key, value = (part[:, head * width : (head + 1) * width] for part in parts)
        weights.append(numpy_softmax(query @ key.T / math.sqrt(width)))
        kernel = state[f"{name}.near.weight"][head, 0, :, 0]
        near = np.stack(
            [
                np.convolve(column, kernel[::-1], "full")[16 : 16 + len(tokens)]
                for column in value.T
            ],
            axis=1,
        )
        gathered.append(weights[-1] @ value + near)
    out = np.concatenate(gathered, axis=1) @ state[f"{name}.out.weight"].T
    return out + state[f"{name}.out.bias"], np.mean(weights, axis=0)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9, 10])
def test_transmil_is_algorithm_2_of_its_paper(count):
    made = make("transmil")
    torch.manual_seed(count)
    bag = torch.randn(1, count, WIDTH)
    whole, state = made(bag, torch.ones(1, count).bool()), arrays(made)
    hidden = bag[0].double().numpy() @ state["project.weight"].T + state["project.bias"]
    hidden = np.maximum(hidden, 0)
    side = math.ceil(math.sqrt(count))
    hidden = np.concatenate([hidden, hidden[: side * side - count]])
    tokens = np.concatenate([state["token"][None], hidden])
    normed = numpy_norm(tokens, state, "norms.0")
    tokens = tokens + numpy_attention(normed, state, "layers.0", heads=2)[0]
    image = tokens[1:].T.reshape(-1, side, side)
    encoded = image + sum(
        numpy_convolution(image, state[f"positions.{n}.weight"], state[f"positions.{n}.bias"])
        for n in range(3)
    )
    tokens[1:] = encoded.reshape(len(image), -1).T
    normed = numpy_norm(tokens, state, "norms.1")
    gathered, weights = numpy_attention(normed, state, "layers.1", heads=2)
    token = numpy_norm((tokens + gathered)[0], state, "norm")
    wanted = token @ state["out.weight"].T + state["out.bias"]
    np.testing.assert_allclose(whole.vector[0].detach(), wanted, rtol=1e-4, atol=1e-5)
    shares = weights[0, 1 : 1 + count].copy()
    shares[: side * side - count] += weights[0, 1 + count :]
    np.testing.assert_allclose(
        whole.aux["weights"][0].detach(), shares / shares.sum(), rtol=1e-4, atol=1e-6
    )


def attention(**changes):
    torch.manual_seed(3)
    settings = {"heads": 2, "landmarks": 8, "exact_up_to": 0} | changes
    return NystromAttention(16, **settings).eval()


def test_nystrom_with_a_landmark_for_each_token_is_exact(monkeypatch):
    torch.manual_seed(0)
    tokens = torch.randn(2, 37, 16)
    exact, approximated = attention(exact_up_to=37), attention(landmarks=37)
    wanted = exact(tokens)
    difference = (approximated(tokens) - wanted).abs().max()
    assert 0 < difference < 0.02, "six steps of the iteration come near"
    monkeypatch.setattr(
        nystrom, "pseudo_inverse", lambda matrix: pseudo_inverse(matrix.double(), 30).float()
    )
    torch.testing.assert_close(approximated(tokens), wanted, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("count", [16, 17, 40, 100])
def test_nystrom_is_equation_13_of_its_paper(count):
    made, tokens = attention(), torch.randn(1, count, 16)
    query, key, value = (part[0].detach().double().numpy() for part in made._parts(tokens))
    length = math.ceil(count / 8)
    gathered = []
    for head in range(2):
        few, fewer = (
            np.stack([part[head, at : at + length].mean(axis=0) for at in range(0, count, length)])
            for part in (query, key)
        )
        scale = math.sqrt(8)
        first = numpy_softmax(query[head] @ fewer.T / scale)
        middle = numpy_softmax(few @ fewer.T / scale)
        last = numpy_softmax(few @ key[head].T / scale)
        # Six steps come near the inverse, not to it; NumPy iterates as the paper says.
        norms = np.abs(middle).sum(axis=0).max() * np.abs(middle).sum(axis=1).max()
        inverse, unit = middle.T / norms, np.eye(len(middle))
        for _ in range(6):
            both = middle @ inverse
            inverse = inverse @ (13 * unit - both @ (15 * unit - both @ (7 * unit - both))) / 4
        gathered.append(first @ inverse @ (last @ value[head]))
    wanted = torch.from_numpy(np.stack(gathered)[None]).float()
    got = made._approximated(*made._parts(tokens))
    torch.testing.assert_close(got, wanted, rtol=1e-3, atol=1e-4)


def test_the_iterated_inverse_is_the_pseudo_inverse():
    torch.manual_seed(0)
    matrix = torch.softmax(4 * torch.randn(3, 6, 6, dtype=torch.float64), dim=-1)
    matrix += torch.eye(6, dtype=torch.float64)
    found = pseudo_inverse(matrix, steps=30)
    torch.testing.assert_close(found, torch.linalg.pinv(matrix))
    torch.testing.assert_close(pseudo_inverse(matrix[:1], steps=30), found[:1])


def test_large_bags_cost_memory_by_their_number_not_its_square():
    made = make("transmil approximated")
    bag = torch.randn(1, 20_000, WIDTH)  # exact attention would take 20 001^2 numbers a head
    whole = made(bag, torch.ones(1, 20_000).bool())
    assert whole.vector.isfinite().all()
    torch.testing.assert_close(whole.aux["weights"].sum(), torch.tensor(1.0))


def test_masked_softmax_against_numpy():
    torch.manual_seed(0)
    scores, present = torch.randn(20, 7) * 50, torch.rand(20, 7) > 0.4
    weights = masked_softmax(scores, present)
    for row in range(20):
        there = present[row].numpy()
        wanted = numpy_softmax(scores[row].double().numpy()[there]) if there.any() else []
        np.testing.assert_allclose(weights[row].numpy()[there], wanted, rtol=1e-5, atol=1e-30)


@every_kind
def test_half_precision(name):
    made, (vectors, present) = make(name), views()
    whole = made(vectors, present)
    with torch.autocast("cpu", torch.bfloat16):
        half = made(vectors.bfloat16(), present)
    assert half.vector.isfinite().all()
    torch.testing.assert_close(half.vector.float(), whole.vector, rtol=0.1, atol=0.15)
    for key, value in half.aux.items():
        torch.testing.assert_close(value.float(), whole.aux[key], rtol=0.1, atol=0.1)
        torch.testing.assert_close(value.sum(dim=1), present.any(dim=1).float())
    if list(made.parameters()):
        half.vector.float().sum().backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in made.parameters())


@every_kind
def test_saved_and_loaded_it_is_the_same(name):
    made, other, (vectors, present) = make(name), make(name, seed=5), views()
    other.load_state_dict(made.state_dict())
    whole, again = made(vectors, present), other(vectors, present)
    torch.testing.assert_close(again.vector, whole.vector, rtol=0, atol=0)


@every_kind
def test_one_view_alone(name):
    made = make(name)
    if name in ("learned-weight", "cross-view"):
        torch.manual_seed(0)
        made = create(SETTINGS[name], width=WIDTH, count=1).eval()
    whole = made(torch.randn(1, 1, WIDTH), torch.ones(1, 1).bool())
    assert whole.vector.shape == (1, WIDTH)
    if "weights" in whole.aux:
        torch.testing.assert_close(whole.aux["weights"], torch.ones(1, 1))


def test_places_are_asked_for_where_they_are_learned():
    with pytest.raises(InputError, match="learned-weight needs the same places"):
        create(spec.LearnedWeightViews(), width=4)
    with pytest.raises(InputError, match="set embeddings to false"):
        create(spec.CrossViewAttention(), width=4)
    create(spec.CrossViewAttention(embeddings=False), width=4)
    for kind in (spec.LearnedWeightViews(), spec.CrossViewAttention()):
        made = create(kind, width=4, count=3)
        with pytest.raises(ValueError, match="made for 3 views, got 2"):
            made(torch.zeros(1, 2, 4), torch.ones(1, 2).bool())


def test_dropout_only_while_training():
    settings = spec.CrossViewAttention(heads=1, dropout=0.5)
    torch.manual_seed(0)
    made = create(settings, width=4, count=2)
    vectors, present = torch.randn(3, 2, 4), torch.ones(3, 2).bool()
    assert not torch.equal(made(vectors, present).vector, made(vectors, present).vector)
    weights = made(vectors, present).aux["weights"]
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(3)), "dropout leaves aux alone"
    made.eval()
    assert torch.equal(made(vectors, present).vector, made(vectors, present).vector)


def test_attention_finds_the_instance_that_makes_a_bag_positive():
    torch.manual_seed(0)
    made = create(spec.GatedAttentionViews(hidden=16), width=8)
    head = torch.nn.Linear(8, 1)
    optimizer = torch.optim.Adam([*made.parameters(), *head.parameters()], lr=0.02)
    for _ in range(200):
        vectors, label = torch.randn(64, 6, 8), torch.randint(0, 2, (64,))
        place = torch.randint(0, 6, (64,))
        vectors[torch.arange(64), place, 0] += 4.0 * label
        whole = made(vectors, torch.ones(64, 6).bool())
        loss = functional.binary_cross_entropy_with_logits(head(whole.vector)[:, 0], label.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    weights = whole.aux["weights"][torch.arange(64), place]
    assert weights[label == 1].mean() > 4 / 6, "an even weight is 1/6"
    assert loss < 0.4
