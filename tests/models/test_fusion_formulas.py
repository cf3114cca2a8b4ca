"""Every fusion equals its formula, worked out independently."""

import itertools

import numpy as np
import pytest
import torch

from medfusion import spec
from medfusion.errors import InputError
from medfusion.models import fusion, heads
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


def exact(settings, rows=4, names=("image", "table"), seed=0):
    """A fusion in double precision, one row per pattern, and its parameters as arrays."""
    present = all_patterns(len(names)).repeat(-(-rows // 2 ** len(names)), 1)
    made = make(settings, names, seed).double()
    feats = {
        n: Features(f.vector.double(), f.tokens.double(), f.mask)
        for n, f in features(len(present), names).items()
    }
    feats = {  # what is absent is zero in the formulas
        n: Features(
            f.vector * present[:, m, None],
            f.tokens * (present[:, m, None] & f.mask)[..., None],
            f.mask & present[:, m, None],
        )
        for m, (n, f) in enumerate(feats.items())
    }
    arrays = {name: value.detach().numpy() for name, value in made.state_dict().items()}
    return made, feats, present, arrays


def linear(x, p, name):
    return x @ p[f"{name}.weight"].T + p.get(f"{name}.bias", 0.0)


def relu(x):
    return np.maximum(x, 0)


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def close(found, expected):
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=0, atol=1e-10)


def slots_of(made, feats, present):
    slots = made.slots({n: Features(*f) for n, f in feats.items()}, present)
    return slots.detach().double().numpy()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("start", [0.2, 0.5, 0.9])
def test_gates_start_as_configured(start):
    for names in (("image", "table"), ("table",)):
        torch.manual_seed(0)
        made = create(
            spec.GatedFusion(dim=8, initial_gate=start), widths={n: WIDTHS[n] for n in names}
        )
        present = all_patterns(len(names))
        gates = made(features(len(present), names), present).aux["gates"]
        np.testing.assert_allclose(gates[:, 0].detach().numpy(), start, rtol=1e-6)
        if len(names) == 2:
            np.testing.assert_allclose(gates[:, 1].detach().numpy(), 1 - start, rtol=1e-6)
        gates[:, 0].sum().backward()
        assert made.gate.weight.grad.any()  # they move as soon as there is a reason to


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


def tokens_of_map(feats, h, p):
    """F, which positions are there, and c, of image and table."""
    positions = linear(feats["image"].tokens.numpy(), p, "project_tokens")
    positions = np.concatenate([h[:, :1], positions], axis=1)
    mask = np.concatenate([np.ones((len(h), 1), bool), feats["image"].mask.numpy()], axis=1)
    return positions, mask, h[:, 1]


def pooled(positions, mask):
    rows = []
    for row, there in zip(positions, mask, strict=True):
        tokens = row[1:][there[1:]]
        rows.append(row[0] + (tokens.mean(axis=0) if len(tokens) else 0))
    return np.array(rows)


def from_map(positions, mask, condition, p):
    s = pooled(relu(positions), mask)
    return relu(linear(np.concatenate([s, condition], axis=1), p, "out"))


def test_film_equals_its_formula():
    made, feats, present, p = exact(spec.FiLMFusion(dim=8))
    torch.nn.init.normal_(made.modulation.weight)
    p["modulation.weight"] = made.modulation.weight.detach().numpy()
    positions, mask, c = tokens_of_map(feats, slots_of(made, feats, present), p)
    both = linear(c, p, "modulation")
    gamma, beta = 1 + both[:, :8], both[:, 8:]
    z, aux, _ = made(feats, present)
    close(aux["gamma"], gamma)
    close(aux["beta"], beta)
    close(z, from_map(gamma[:, None] * positions + beta[:, None], mask, c, p))


def test_film_starts_without_modulation():
    torch.manual_seed(0)
    made = create(spec.FiLMFusion(dim=8), widths=WIDTHS).double().eval()
    _, feats, present, _ = exact(spec.FiLMFusion(dim=8))
    p = {name: value.detach().numpy() for name, value in made.named_parameters()}
    positions, mask, c = tokens_of_map(feats, slots_of(made, feats, present), p)
    z, aux, _ = made(feats, present)
    assert (aux["gamma"] == 1).all()
    assert (aux["beta"] == 0).all()
    close(z, from_map(positions, mask, c, p))


def test_daft_equals_its_formula():
    made, feats, present, p = exact(spec.DAFTFusion(dim=14))
    assert p["squeeze.weight"].shape == (4, 28)  # (C + P) / 7
    assert not {"squeeze.bias", "expand.bias"} & set(p)
    positions, mask, c = tokens_of_map(feats, slots_of(made, feats, present), p)
    hidden = relu(linear(np.concatenate([pooled(positions, mask), c], axis=1), p, "squeeze"))
    both = linear(hidden, p, "expand")
    gamma, beta = 1 + both[:, :14], both[:, 14:]
    z, aux, _ = made(feats, present)
    close(aux["gamma"], gamma)
    close(z, from_map(gamma[:, None] * positions + beta[:, None], mask, c, p))
    # Unlike FiLM's, its scale depends on the image too.
    other = features(4, seed=7)["image"]
    changed = made(
        feats | {"image": Features(*(x.double() for x in other[:2]), other.mask)}, present
    )
    assert not torch.allclose(changed.aux["gamma"][0], aux["gamma"][0])


def test_tab_attention_equals_its_formula():
    made, feats, present, p = exact(spec.TabAttentionFusion(dim=8, reduction=2))
    positions, mask, c = tokens_of_map(feats, slots_of(made, feats, present), p)

    def mlp(x):
        return linear(relu(linear(x, p, "channel.0")), p, "channel.2")

    average = np.array(
        [row[there].mean(axis=0) for row, there in zip(positions, mask, strict=True)]
    )
    highest = np.array([row[there].max(axis=0) for row, there in zip(positions, mask, strict=True)])
    channels = sigmoid(mlp(average) + mlp(highest) + mlp(linear(c, p, "embed")))
    weighed = channels[:, None] * positions
    fits = np.einsum("btd,bd->bt", weighed, linear(c, p, "query")) / np.sqrt(8)
    planes = np.stack([weighed.mean(axis=2), weighed.max(axis=2), fits], axis=2)
    places = sigmoid(linear(planes, p, "position"))
    z, aux, _ = made(feats, present)
    close(aux["channels"], channels)
    close(aux["positions"], np.where(mask, places[..., 0], 0)[:, 1:])
    close(z, from_map(places * weighed, mask, c, p))


@pytest.mark.parametrize(
    "settings", [spec.FiLMFusion(), spec.DAFTFusion(), spec.TabAttentionFusion()]
)
def test_the_map_is_the_image_wherever_it_stands_and_alone_it_is_not_modulated(settings):
    turned = {"table": WIDTHS["table"], "image": WIDTHS["image"]}
    made = create(settings.model_copy(update={"dim": 8}), widths=turned)
    assert (made.map, made.conditions) == ("image", ("table",))
    for name in WIDTHS:
        alone, feats, present, p = exact(settings.model_copy(update={"dim": 8}), names=(name,))
        h = slots_of(alone, feats, present)
        positions = linear(feats[name].tokens.numpy(), p, "project_tokens")
        positions = np.concatenate([h, positions], axis=1)
        mask = np.concatenate([np.ones((len(h), 1), bool), feats[name].mask.numpy()], axis=1)
        z, aux, _ = alone(feats, present)
        assert aux == {}
        close(z, relu(linear(pooled(relu(positions), mask), p, "out")))


def test_kronecker_equals_the_gated_outer_product():
    made, feats, present, p = exact(spec.KroneckerFusion(dim=8, width=3))
    h = slots_of(made, feats, present)
    gates = sigmoid(linear(h.reshape(-1, 6), p, "gate")).reshape(-1, 2, 3)
    v = np.concatenate([gates * relu(h), np.ones((len(h), 2, 1))], axis=2)
    outer = np.stack([np.outer(*row).ravel() for row in v])
    z, aux, _ = made(feats, present)
    close(aux["gates"], gates)
    close(z, relu(linear(outer, p, "out")))


def test_kronecker_of_three_and_of_too_many_modalities():
    three = {name: Width(2, 1) for name in "abc"}
    assert (
        fusion.KroneckerFusion(spec.KroneckerFusion(width=32), widths=three).out.in_features
        == 33**3
    )
    four = three | {"d": Width(2, 1)}
    with pytest.raises(InputError, match=r"lower model\.fusion\.width"):
        fusion.KroneckerFusion(spec.KroneckerFusion(width=32), widths=four)


def test_mfb_equals_its_formula():
    made, feats, present, _ = exact(spec.MFBFusion(dim=8, factors=3))
    made = made.float()  # powers and norms are taken in single precision
    feats = {n: Features(f.vector.float(), f.tokens.float(), f.mask) for n, f in feats.items()}
    h = slots_of(made, feats, present)
    y = (h[:, 0] * h[:, 1]).reshape(-1, 8, 3).sum(axis=2)
    s = np.sign(y) * np.sqrt(np.abs(y))
    z = made(feats, present).z.detach().numpy()
    np.testing.assert_allclose(z, s / np.linalg.norm(s, axis=1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, rtol=1e-5)


def test_perceiver_equals_its_formula_and_skips_what_is_absent():
    made, feats, present, p = exact(spec.PerceiverFusion(dim=8, heads=2, latents=3, layers=2))
    made.return_weights = True
    erf = np.vectorize(__import__("math").erf)

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
        return scaled * p[f"{name}.weight"] + p[f"{name}.bias"]

    def layer(states, keys, name):
        query = linear(norm(states, f"{name}.norm_query"), p, f"{name}.query")
        keys = norm(keys, f"{name}.norm_key") if name == "mix" else keys
        both = linear(keys, p, f"{name}.key_value")
        heard, seen = [], []
        for cut in (slice(0, 4), slice(4, 8)):
            seen.append(softmax(query[:, cut] @ both[:, :8][:, cut].T / 2))
            heard.append(seen[-1] @ both[:, 8:][:, cut])
        x = states + linear(np.concatenate(heard, axis=1), p, f"{name}.out")
        inner = linear(norm(x, f"{name}.feed_forward.0"), p, f"{name}.feed_forward.1")
        inner = 0.5 * inner * (1 + erf(inner / np.sqrt(2)))
        return x + linear(inner, p, f"{name}.feed_forward.4"), np.stack(seen)

    h = slots_of(made, feats, present)
    z, aux, _ = made(feats, present)
    for row, there in enumerate(present.numpy()):
        latents = p["latents"]
        for turn in range(2):
            for m, name in enumerate(("image", "table")):
                weights = aux[f"attention/{name}"][row, turn].detach().numpy()
                if not there[m]:
                    assert (weights == 0).all()
                    continue
                mask = feats[name].mask[row].numpy()
                tokens = linear(feats[name].tokens[row].numpy(), p, f"project_tokens.{name}")
                keys = np.concatenate([h[row, m : m + 1], tokens[mask]])
                latents, seen = layer(latents, keys, f"read.{name}")
                found = weights[:, :, np.concatenate([[True], mask])]
                np.testing.assert_allclose(found, seen, rtol=0, atol=1e-10)
                np.testing.assert_allclose(weights.sum(axis=2), 1, rtol=1e-10)
            latents, _ = layer(latents, latents, "mix")
        close(z[row], relu(linear(norm(latents, "norm").mean(axis=0), p, "out")))


def test_perceiver_with_and_without_weights_agrees():
    made, feats, present, _ = exact(spec.PerceiverFusion(dim=8, heads=2, latents=3))
    plain = made(feats, present)
    assert plain.aux == {}
    made.return_weights = True
    close(made(feats, present).z, plain.z.detach().numpy())


@pytest.mark.parametrize(("experts", "k"), [(4, 2), (5, 3), (3, 3)])
def test_mixture_of_experts_equals_its_formula(experts, k):
    settings = spec.MixtureOfExpertsFusion(dim=8, experts=experts, top_k=k, balance=0.5)
    made, feats, present, p = exact(settings, rows=16)
    h = slots_of(made, feats, present)
    for row, (image, table) in enumerate(present.tolist()):
        if not image:
            h[row, 0] = p["bank.image"][int(table)]
        if not table:
            h[row, 1] = p["bank.table"][int(image)]
    joined = h.reshape(-1, 16)
    scores = linear(np.concatenate([joined, present.numpy()], axis=1), p, "router")
    router, expected = softmax(scores), np.zeros((len(h), 8))
    load = np.zeros_like(scores)
    for row in range(len(h)):
        best = np.argsort(-scores[row])[:k]
        load[row, best] = softmax(scores[row, best])
        for e in best:
            hidden = relu(linear(joined[row], p, f"experts.{e}.0"))
            expected[row] += load[row, e] * linear(hidden, p, f"experts.{e}.3")
    z, aux, losses = made(feats, present)
    np.testing.assert_allclose(z.detach().numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(aux["load"].detach().numpy(), load, atol=1e-6)
    np.testing.assert_allclose(aux["router"].detach().numpy(), router, atol=1e-6)
    assert ((aux["load"] > 0).sum(dim=1) == k).all()
    np.testing.assert_allclose(aux["load"].sum(dim=1).detach().numpy(), 1, rtol=1e-6)
    np.testing.assert_allclose(aux["load"].mean(dim=0).sum().item(), 1, rtol=1e-6)
    shares = (load > 0).mean(axis=0) / k
    balance = 0.5 * experts * (shares * router.mean(axis=0)).sum()
    assert losses["balance"].item() == pytest.approx(balance, rel=1e-5)


def test_experts_in_perfect_balance_cost_the_weight_and_none_without_it():
    made, feats, present, _ = exact(spec.MixtureOfExpertsFusion(dim=8, balance=0.3), rows=8)
    torch.nn.init.zeros_(made.router.weight), torch.nn.init.zeros_(made.router.bias)
    assert made(feats, present).losses["balance"].item() == pytest.approx(0.3)
    silent = exact(spec.MixtureOfExpertsFusion(dim=8, balance=0.0))[0]
    assert silent(feats, present).losses == {}


def test_absent_combinations_have_tokens_of_their_own():
    names = ("image", "table", "report")
    torch.manual_seed(0)
    widths = {name: Width(2, 1) for name in names}
    made = create(spec.MixtureOfExpertsFusion(dim=4), widths=widths).eval()
    present = all_patterns(3)
    filled = made._completed(torch.zeros(8, 3, 4), present)
    for m in range(3):
        tokens = filled[~present[:, m], m]
        assert len(torch.unique(tokens, dim=0)) == 4  # each combination of the two others
        assert (filled[present[:, m], m] == 0).all()
    with pytest.raises(InputError, match="takes 8 modalities"):
        create(spec.MixtureOfExpertsFusion(dim=4), widths={str(m): Width(2, 1) for m in range(9)})


@pytest.mark.parametrize("weights", ["learned", "equal"])
def test_late_fusion_with_a_linear_head_is_the_weighted_mean_of_logits(weights):
    made, feats, present, p = exact(spec.LateFusion(dim=8, weights=weights))
    head = heads.LinearHead(spec.LinearHead(), width=8, outputs=3).double().eval()
    h = slots_of(made, feats, present)
    alone = np.stack([head(torch.tensor(h[:, m])).detach().numpy() for m in range(2)], axis=1)
    raw = np.exp(p["weights"]) if weights == "learned" else np.ones(2)
    shares = present.numpy() * raw
    shares[-1] = raw
    shares = shares / shares.sum(axis=1, keepdims=True)
    z, aux, _ = made(feats, present)
    close(aux["weights"], shares)
    close(head(z), (shares[..., None] * alone).sum(axis=1))
    assert len([n for n, _ in made.named_parameters() if n == "weights"]) == (weights == "learned")


def test_late_fusion_of_a_lone_modality_is_that_modality():
    made, feats, present, _ = exact(spec.LateFusion(dim=8))
    h = slots_of(made, feats, present)
    z = made(feats, present).z
    close(z[1], h[1, 0])
    close(z[2], h[2, 1])


def test_product_of_experts_equals_the_closed_form():
    made, feats, present, p = exact(spec.ProductOfExpertsFusion(dim=8, kl=0.1))
    made = made.float()
    feats = {n: Features(f.vector.float(), f.tokens.float(), f.mask) for n, f in feats.items()}
    z, aux, losses = made(feats, present)
    divergence = 0
    for row, there in enumerate(present.numpy()):
        precision, weighted, shares = np.ones(8), np.zeros(8), []
        for m, name in enumerate(("image", "table")):
            x = feats[name].vector[row].numpy()
            own = np.exp(-linear(x, p, f"log_variance.{name}")) * there[m]
            precision, shares = precision + own, [*shares, own]
            weighted = weighted + own * linear(x, p, f"project.{name}")
        mean, variance = weighted / precision, 1 / precision
        np.testing.assert_allclose(z[row].detach().numpy(), mean, atol=1e-5)
        np.testing.assert_allclose(aux["mean"][row].detach().numpy(), mean, atol=1e-5)
        np.testing.assert_allclose(aux["variance"][row].detach().numpy(), variance, atol=1e-5)
        expected = [(share / precision).mean() for share in [*shares, np.ones(8)]]
        np.testing.assert_allclose(aux["weights"][row].detach().numpy(), expected, atol=1e-5)
        divergence += 0.5 * (variance + mean**2 - 1 - np.log(variance)).sum()
    assert losses["kl"].item() == pytest.approx(0.1 * divergence / 4, rel=1e-4)
    assert (z[3] == 0).all()  # nothing but the prior


def test_product_of_experts_samples_its_gaussian_in_training_only():
    made, feats, present, _ = exact(spec.ProductOfExpertsFusion(dim=8, dropout=0.0))
    made = made.float()
    feats = {n: Features(f.vector.float(), f.tokens.float(), f.mask) for n, f in feats.items()}
    mean, aux, _ = made(feats, present)
    many = {
        n: Features(*(part.repeat(4000, *[1] * (part.ndim - 1)) for part in f[:3]))
        for n, f in feats.items()
    }
    torch.manual_seed(0)
    draws = made.train()(many, present.repeat(4000, 1)).z.reshape(4000, 4, 8)
    error = (draws.mean(dim=0) - mean) / (aux["variance"] / 4000).sqrt()
    assert error.abs().max().item() < 5
    torch.testing.assert_close(draws.var(dim=0), aux["variance"], rtol=0.15, atol=0)
    calm = exact(spec.ProductOfExpertsFusion(dim=8, dropout=0.0, kl=0.0))[0].float().train()
    first, again = calm(feats, present), calm(feats, present)
    assert torch.equal(first.z, again.z)
    assert first.losses == {}
