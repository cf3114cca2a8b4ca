"""Values brought to a common scale: float32 100 x 512 x 512, 40 % of it air."""

import numpy as np
from harness import Row

LOWER, UPPER = 0.5, 99.5
F = np.float32


def rows():
    """Rows of percentile, min-max and z-score scaling, with new memory and in place."""
    import torch

    from medfusion.data.transforms import MinMax, Percentile, ZScore
    from medfusion.data.volume import Volume

    draw = np.random.default_rng(0)
    values = draw.normal(40, 30, (100, 512, 512)).astype(F)
    values[draw.random(values.shape) < 0.4] -= 1000
    volume, tensor = Volume(values), torch.from_numpy(values)
    buffer, copied = np.empty_like(values), np.empty_like(values)
    scales = {
        "percentile": Percentile(LOWER, upper=UPPER),
        "min-max": MinMax(),
        "z-score": ZScore(),
    }
    peers = {
        "percentile": {
            "np.percentile": lambda: _scaled(values, *np.percentile(values, (LOWER, UPPER))),
            "np.partition": lambda: _scaled(values, *_partition(values)),
        },
        "min-max": {"torch": lambda: _min_max(torch, tensor).numpy()},
        "z-score": {"torch": lambda: _z_score(torch, tensor).numpy()},
    }
    for name, one in _monai(torch, tensor).items():
        peers[name]["MONAI"] = one
    goals = {
        "percentile": {"np.partition": 3.0, "MONAI": 5.0},
        "min-max": {"torch": 1.0},
        "z-score": {"torch": 1.0},
    }
    found = []
    for name, scale in scales.items():
        ours = {
            "MedFusion": lambda scale=scale: scale(volume).array,
            "MedFusion, 1 thread": lambda scale=scale: scale(volume, threads=1).array,
            "MedFusion, reused buffer": lambda scale=scale: scale(volume, out=buffer).array,
        }
        known = {key: ratio for key, ratio in goals[name].items() if key in peers[name]}
        found.append(
            Row(
                group="Normalise",
                name=f"{name} of float32 100 x 512 x 512",
                peers=peers[name],
                ours=ours,
                limit={"copy into warm memory": lambda: np.copyto(copied, values)},
                check=_check,
                goals=known,
            )
        )
    return [*found, *_in_place(torch, values, scales)]


def _in_place(torch, values, scales):
    from medfusion.data.volume import Volume

    own, theirs = values.copy(), torch.from_numpy(values.copy())
    volume = Volume(own)

    def torch_min_max():
        low, high = torch.aminmax(theirs)
        return theirs.sub_(low).div_(high - low).numpy()

    def torch_z_score():
        deviation, mean = torch.std_mean(theirs, correction=0)
        return theirs.sub_(mean).div_(deviation).numpy()

    return [
        Row(
            group="Normalise",
            name=f"{name} in place",
            peers={"torch in place": peer},
            ours={"MedFusion": lambda scale=scales[name]: scale(volume, out=own).array},
            limit={},
            check=_check,
            goals={"torch in place": 1.0},
        )
        for name, peer in (("min-max", torch_min_max), ("z-score", torch_z_score))
    ]


def _check(results):
    wanted = results["MedFusion"]
    for name, found in results.items():
        if not name.startswith("copy"):
            array = np.asarray(found).reshape(wanted.shape)
            np.testing.assert_allclose(array, wanted, atol=2e-5, err_msg=name)


def _scaled(values, low, high):
    return np.clip((values - F(low)) / (F(high) - F(low)), 0, 1)


def _partition(values):
    places = [percent / 100 * (values.size - 1) for percent in (LOWER, UPPER)]
    ranks = [int(place) for place in places]
    sorted_there = np.partition(values.ravel(), [*ranks, *(rank + 1 for rank in ranks)])
    return [
        sorted_there[rank] + (place - rank) * (sorted_there[rank + 1] - sorted_there[rank])
        for rank, place in zip(ranks, places, strict=True)
    ]


def _min_max(torch, tensor):
    low, high = torch.aminmax(tensor)
    return (tensor - low) / (high - low)


def _z_score(torch, tensor):
    deviation, mean = torch.std_mean(tensor, correction=0)
    return (tensor - mean) / deviation


def _monai(torch, tensor):
    del torch
    try:
        import monai.transforms as mt
    except ImportError:
        return {}
    chosen = {
        "percentile": mt.ScaleIntensityRangePercentiles(LOWER, UPPER, 0, 1, clip=True),
        "min-max": mt.ScaleIntensity(),
        "z-score": mt.NormalizeIntensity(),
    }
    return {name: lambda one=one: np.asarray(one(tensor[None]))[0] for name, one in chosen.items()}
