"""Writes monai_spacing.json: the grids that MONAI's Spacing makes, for the tests.

python tests/data/transforms/monai_spacing.py        (with MONAI 1.6, which is no dependency)
"""

import json
import warnings
from pathlib import Path

import numpy as np


def cases():
    """Yield size, RAS affine and spacing: usual, flipped, oblique, sheared, thin and tiny ones."""
    draw = np.random.default_rng(11)
    for number in range(48):
        size = draw.integers(1, 40, 3) if number % 4 else draw.integers(1, 4, 3)
        old = draw.uniform(0.3, 5, 3).round(3)
        new = draw.uniform(0.3, 5, 3).round(3)
        if number % 5 == 0:
            new[number % 3] = old[number % 3] + draw.choice([0, 5e-4, -9e-4, 2e-3])
        turn = np.eye(3)
        if number % 3:
            turn = np.linalg.qr(draw.normal(size=(3, 3)))[0]
        if number % 3 == 1:
            turn = np.round(turn @ np.diag([1e-9] * 3)) + np.eye(3)[draw.permutation(3)]
            turn = turn @ np.diag(draw.choice([-1, 1], 3))
        shear = np.eye(3)
        if number % 6 == 5:
            shear[1, 2] = draw.uniform(-0.6, 0.6)
        affine = np.eye(4)
        affine[:3, :3] = turn @ shear @ np.diag(old)
        affine[:3, 3] = draw.uniform(-200, 200, 3)
        yield size.tolist(), affine.tolist(), new.tolist()


def main():
    """Ask MONAI and write what it says."""
    import monai
    import torch
    from monai.data import MetaTensor
    from monai.transforms import Spacing

    warnings.filterwarnings("ignore")
    found = []
    for size, affine, spacing in cases():
        ramp = torch.arange(int(np.prod(size)), dtype=torch.float32).reshape(1, *size)
        image = MetaTensor((ramp * 0.37) % 11, affine=torch.tensor(affine, dtype=torch.float64))
        result = Spacing(spacing, mode="bilinear", padding_mode="border")(image)
        found.append(
            {
                "size": size,
                "affine": affine,
                "spacing": spacing,
                "result_size": list(result.shape[1:]),
                "result_affine": result.affine.tolist(),
                "mean": float(result.as_tensor().double().mean()),
                "corners": result[0, :: max(result.shape[1] - 1, 1), -1, 0].tolist(),
            }
        )
    document = {
        "monai": monai.__version__,
        "command": __doc__.split("\n")[2].strip(),
        "cases": found,
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(document, indent=None) + "\n")


if __name__ == "__main__":
    main()
