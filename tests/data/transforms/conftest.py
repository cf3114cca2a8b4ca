import numpy as np
import pytest

from medfusion.data.volume import Volume


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture
def make(rng):
    """A volume with random values and an affine that turns its axes to named directions."""

    def volume(size=(9, 7, 5), *, spacing=(1.5, 0.7, 2.0), oblique=0.0, dtype=np.float32, **more):
        turn = np.eye(3)
        if oblique:
            skew = oblique * rng.normal(size=(3, 3))
            turn = np.linalg.qr(np.eye(3) + skew - skew.T)[0]
            turn = turn * np.sign(np.diag(turn))
        affine = np.eye(4)
        affine[:3, :3] = turn @ np.diag(spacing)
        affine[:3, 3] = rng.uniform(-100, 100, 3)
        shape = {"DHW": (), "CDHW": (3,), "TDHW": (2,), "TCDHW": (2, 3)}[more.get("axes", "DHW")]
        values = rng.normal(100, 300, (*shape, *size[::-1]))
        return Volume(values.astype(dtype), affine, **more)

    return volume
