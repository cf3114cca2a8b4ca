"""Orient to RAS, resample to 1 mm, clip and z-score: an int16 CT of 256 x 256 x 128 voxels."""

import warnings

import harness
import numpy as np
from harness import Row

LOW, HIGH = -200.0, 300.0


def rows():
    """The row of resampling; every peer makes the same voxels on the same grid."""
    import nibabel
    import SimpleITK as sitk  # noqa: N813 - its users' name
    import torch

    from medfusion.data.transforms import Clip, Orient, Pipeline, Resample, ZScore
    from medfusion.data.volume import LPS_FROM_RAS, Volume

    warnings.filterwarnings("ignore")
    path = min((harness.data() / "nifti").glob("*.nii"))
    image = nibabel.load(path)
    stored = np.ascontiguousarray(np.asarray(image.dataobj).T)
    volume = Volume(stored, LPS_FROM_RAS @ image.affine)
    steps = [Orient("RAS"), Resample((1, 1, 1)), Clip(LOW, high=HIGH), ZScore()]
    pipeline = Pipeline(steps)
    grid = pipeline(volume)

    peers = {
        "torch interpolate": _torch(torch, stored, grid),
        "SimpleITK": _simpleitk(sitk, str(path)),
        **_monai(torch, stored, image.affine),
        **_medrs(path),
    }
    alone = np.empty_like(grid.array)
    ours = {
        "MedFusion": lambda: pipeline(volume).array,
        "MedFusion, 1 thread": lambda: pipeline(volume, threads=1).array,
        "MedFusion, step by step": lambda: _each(steps, volume),
    }
    limit = {"copy of the result": lambda: np.copyto(alone, grid.array)}
    goals = {"torch interpolate": 5.0, "medrs": 5.0, "SimpleITK": 5.0, "MONAI": 20.0}
    goals = {name: ratio for name, ratio in goals.items() if name in peers}
    return [
        Row(
            group="Resample",
            name="int16 256 x 256 x 128 to RAS, 1 mm, clip, z-score",
            peers=peers,
            ours=ours,
            limit=limit,
            check=_check,
            goals=goals,
            note="medrs makes another grid (one voxel more or less): its numbers are not compared.",
        )
    ]


def _check(results):
    wanted = results["MedFusion"]
    for name, found in results.items():
        array = np.asarray(found)
        if name == "medrs" or name.startswith("copy"):
            # medrs makes another grid (one voxel more or less): only its work is compared.
            continue
        if array.shape != wanted.shape:
            msg = f"{name}: {array.shape}, not {wanted.shape}"
            raise AssertionError(msg)
        np.testing.assert_allclose(array, wanted, atol=2e-4, err_msg=name)


def _each(steps, volume):
    for step in steps:
        volume = step(volume)
    return volume.array


def _torch(torch, stored, grid):
    """Corners onto corners: the same grid, as the spacing divides the extent."""
    whole = torch.from_numpy(stored.astype(np.float32))

    def run():
        turned = whole[None, None].flip(3, 4)
        made = torch.nn.functional.interpolate(
            turned, size=grid.array.shape, mode="trilinear", align_corners=True
        )[0, 0].clamp_(LOW, HIGH)
        deviation, mean = torch.std_mean(made, correction=0)
        return ((made - mean) / deviation).numpy()

    return run


def _simpleitk(sitk, path):
    stored = sitk.ReadImage(path, sitk.sitkInt16)

    def run():
        # DICOMOrient names where axes come from in version 2.4 and before, where to since 2.5.
        turned = sitk.DICOMOrient(stored, "RAS")
        size = [
            round((n - 1) * step + 1)
            for n, step in zip(turned.GetSize(), turned.GetSpacing(), strict=True)
        ]
        made = sitk.Resample(
            turned, size, sitk.Transform(), sitk.sitkLinear, turned.GetOrigin(), (1.0, 1.0, 1.0),
            turned.GetDirection(), 0, sitk.sitkFloat32,
        )  # fmt: skip
        made = sitk.Normalize(sitk.Clamp(made, sitk.sitkFloat32, LOW, HIGH))
        return sitk.GetArrayFromImage(made)

    return run


def _monai(torch, stored, affine):
    try:
        import monai.transforms as mt
        from monai.data import MetaTensor
    except ImportError:
        return {}
    chain = mt.Compose(
        [
            mt.Orientation("RAS"),
            mt.Spacing((1, 1, 1), mode="bilinear", padding_mode="border"),
            mt.ScaleIntensityRange(LOW, HIGH, LOW, HIGH, clip=True),
            mt.NormalizeIntensity(),
        ]
    )
    values = torch.from_numpy(stored.T.astype(np.float32).copy())[None]
    tensor = MetaTensor(values, affine=torch.as_tensor(affine))
    return {"MONAI": lambda: np.asarray(chain(tensor))[0].T}


def _medrs(path):
    try:
        import medrs
    except ImportError:
        return {}
    image = medrs.load(str(path)).materialize()
    return {
        "medrs": lambda: (
            image.reorient("RAS")
            .resample([1.0, 1.0, 1.0])
            .clamp(LOW, HIGH)
            .z_normalize()
            .to_numpy()
        )
    }
