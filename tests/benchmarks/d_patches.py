"""Random patches of 96 x 96 x 96 voxels: flips, turns, changes of values, noise."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
from harness import Row, data

SIDE, PER_VOLUME, VOLUMES = 96, 4, 4
SHAPE = (256, 256, 128)
OFFSET = 352
ANGLE, SCALE, FACTOR, SHIFT, NOISE = 0.2, 0.1, 0.1, 0.1, 0.02


def ours(paths, *, affine, threads=1, noise=True):
    """A sampler as a training has it; made anew, so that files are opened within the time."""
    from medfusion.data.patches import PatchSampler
    from medfusion.data.transforms import SampleKey

    turn = {"kind": "random-affine", "rotate": [float(np.rad2deg(ANGLE))] * 3, "scale": [SCALE] * 3}
    changes = [
        {"kind": "window", "center": 50, "width": 500},
        *([turn] if affine else []),
        {"kind": "random-flip", "axes": ["i", "j", "k"]},
        {"kind": "random-intensity", "scale": FACTOR, "shift": SHIFT},
        *([{"kind": "random-noise", "low": NOISE, "high": NOISE}] if noise else []),
    ]
    epochs = itertools.count()
    out = np.empty((PER_VOLUME, 1, SIDE, SIDE, SIDE), np.float32)

    def run(epoch=None):
        sampler = PatchSampler(paths, (SIDE,) * 3, changes, per_volume=PER_VOLUME, threads=threads)
        epoch, drawn = next(epochs) if epoch is None else epoch, []
        for first in range(0, len(sampler), PER_VOLUME):
            keys = [SampleKey(0, epoch, first + number) for number in range(PER_VOLUME)]
            drawn += sampler.sample(keys, out=out).records
        return drawn, out

    return run


def equal_torch(paths, *, affine):
    """What the sampler drew, done by torch's grid_sample in double precision, is what it gave."""
    import torch

    from medfusion.data.patches import PatchSampler

    drawn, out = ours(paths, affine=affine, noise=False)(epoch=0)
    sampler = PatchSampler(paths, (SIDE,) * 3)
    for record, patch in zip(drawn[-PER_VOLUME:], out, strict=True):
        source = sampler._source(record["volume"])[0]
        matrix = np.eye(4)
        for entry in record["transforms"]:
            matrix = matrix @ _matrix(entry, source.volume.spacing)
        k, j, i = np.meshgrid(*[np.arange(SIDE)] * 3, indexing="ij")
        places = (matrix[:3] @ np.stack([i, j, k, np.ones_like(i)]).reshape(4, -1)).T
        limits = np.array(source.volume.size) - 1
        grid = torch.from_numpy((places / limits * 2 - 1).reshape(1, SIDE, SIDE, SIDE, 3))
        voxels = torch.from_numpy(source.volume.array.astype(np.float64))[None, None]
        found = torch.nn.functional.grid_sample(
            voxels, grid, padding_mode="border", align_corners=True
        )
        change = record["transforms"][-1]["drawn"]
        wanted = ((found + 200) / 500).clamp(0, 1) * change["scale"] + change["shift"]
        np.testing.assert_allclose(patch[0], wanted[0, 0].numpy(), atol=2e-4)


def _matrix(entry, spacing):
    from medfusion.registry import create
    from medfusion.spec import TransformChain

    spec = TransformChain.model_validate({"transforms": [entry["spec"]]}).transforms[0]
    made = create(spec)
    if not hasattr(made, "draw") or not entry["drawn"]:
        return np.eye(4)
    grid = made.geometry(entry["drawn"], (SIDE,) * 3, spacing)
    return np.eye(4) if grid is None else grid.matrix


def by_monai(paths, *, affine, cache):
    import monai.transforms as mt
    from monai.data import CacheDataset, DataLoader, Dataset

    key = "image"
    steps = [
        mt.LoadImaged(key, image_only=True),
        mt.EnsureChannelFirstd(key),
        mt.ScaleIntensityRanged(key, -200, 300, 0, 1, clip=True),
        mt.RandSpatialCropSamplesd(key, (SIDE,) * 3, PER_VOLUME, random_size=False),
        *[mt.RandFlipd(key, 0.5, axis) for axis in range(3)],
    ]
    if affine:
        steps.append(
            mt.RandAffined(
                key, prob=1.0, rotate_range=(ANGLE,) * 3, scale_range=(SCALE,) * 3,
                mode="bilinear", padding_mode="border",
            )
        )  # fmt: skip
    steps += [
        mt.RandScaleIntensityd(key, FACTOR, 1.0),
        mt.RandShiftIntensityd(key, SHIFT, 1.0),
        mt.RandGaussianNoised(key, 1.0, 0, NOISE),
    ]
    files = [{key: path} for path in paths]
    made = (
        CacheDataset(files, mt.Compose(steps), progress=False, num_workers=1)
        if cache
        else Dataset(files, mt.Compose(steps))
    )

    def run():
        count = 0
        for batch in DataLoader(made, batch_size=1, num_workers=0):
            count += len(batch[key])
            last = batch[key][-1]
        return count, np.asarray(last)

    return run


def by_torchio(paths, *, affine):
    import torchio as tio
    from torch.utils.data import DataLoader

    prepare = tio.Compose([tio.Clamp(-200, 300), tio.RescaleIntensity((0, 1))])
    changes = [tio.RandomFlip((0, 1, 2), 0.5)]
    if affine:
        changes.append(tio.RandomAffine(scales=SCALE, degrees=float(np.rad2deg(ANGLE))))
    changes = tio.Compose([*changes, tio.RandomNoise(std=NOISE)])

    def run():
        subjects = [tio.Subject(image=tio.ScalarImage(path)) for path in paths]
        queue = tio.Queue(
            tio.SubjectsDataset(subjects, prepare), max_length=PER_VOLUME * 2,
            samples_per_volume=PER_VOLUME, sampler=tio.UniformSampler(SIDE), num_workers=0,
            shuffle_subjects=False,
        )  # fmt: skip
        count = 0
        for batch in DataLoader(queue, batch_size=1, num_workers=0):
            last = changes(tio.ScalarImage(tensor=batch["image"]["data"][0])).data
            count += 1
        return count, last.numpy()

    return run


def by_medrs(paths, *, training):
    """It has no affine change, and its flips and factors are not ours to set.

    Its FastLoader takes every file for a compressed one: it cannot read the .nii files.
    """
    import medrs

    def volumes():
        if training:
            yield from medrs.TrainingDataLoader(
                volumes=paths, patch_size=[SIDE] * 3, patches_per_volume=PER_VOLUME,
                patch_overlap=[0, 0, 0], randomize=True, cache_size=1000, seed=0,
            )  # fmt: skip
            return
        for _ in range(PER_VOLUME):
            yield from medrs.FastLoader(
                volumes=paths, patch_shape=[SIDE] * 3, prefetch=4, workers=2, shuffle=True, seed=1
            )

    def run():
        for count, patch in enumerate(volumes(), 1):
            changed = medrs.random_augment(patch.clamp(-200.0, 300.0).rescale(0.0, 1.0), seed=count)
            last = changed.to_torch()
        return count, np.asarray(last)

    return run


def by_hand(paths, *, affine):
    """The obvious fast way: a mapped file, grid_sample for flip and turn, changes in place."""
    import torch
    from torch.nn import functional

    rng = np.random.default_rng(0)

    def turn():
        a, b, c = rng.uniform(-ANGLE, ANGLE, 3)
        about_x = [[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]]
        about_y = [[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]]
        about_z = [[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]]
        return np.array(about_x) @ about_y @ about_z * rng.uniform(1 - SCALE, 1 + SCALE, 3)

    def patch(voxels):
        i, j, k = (int(rng.integers(0, side - SIDE + 1)) for side in SHAPE)
        box = voxels[i : i + SIDE, j : j + SIDE, k : k + SIDE].T
        values = torch.from_numpy(np.ascontiguousarray(box).astype(np.float32))
        values.clamp_(-200, 300).add_(200).div_(500)
        flips = [axis for axis in range(3) if rng.random() < 0.5]
        if affine:
            matrix = turn() * [-1 if axis in flips else 1 for axis in range(3)]
            theta = torch.from_numpy(np.c_[matrix, np.zeros(3)].astype(np.float32))[None]
            grid = functional.affine_grid(theta, [1, 1, SIDE, SIDE, SIDE], align_corners=True)
            values = functional.grid_sample(
                values[None, None], grid, padding_mode="border", align_corners=True
            )[0, 0]
        elif flips:
            values = values.flip(flips)
        values.mul_(float(rng.uniform(1 - FACTOR, 1 + FACTOR)))
        values.add_(float(rng.uniform(-SHIFT, SHIFT)))
        return values.add_(torch.randn(values.shape), alpha=NOISE)

    def run():
        count = 0
        for path in paths:
            voxels = np.memmap(path, "<i2", "r", OFFSET, SHAPE, order="F")
            for _ in range(PER_VOLUME):
                last = patch(voxels)
                count += 1
        return count, last.numpy()

    return run


def _check(paths, *, affine):
    def check(results):
        equal_torch(paths, affine=affine)
        for name, (count, last) in results.items():
            if isinstance(count, int):
                assert count == VOLUMES * PER_VOLUME, f"{name}: {count} patches"
                assert last.shape[-3:] == (SIDE,) * 3, f"{name}: {last.shape}"
            # Draws differ, but all are windowed chests with the same changes.
            low, high = np.percentile(np.asarray(last, np.float32), [1, 99])
            assert -0.6 < low <= high < 1.8, f"{name}: {low} to {high}"

    return check


def rows():
    """Patches without and with an affine change, and the grid of an inference."""
    import torch

    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    found = sorted((data() / "nifti").glob("ct0*.nii"))[:VOLUMES]
    paths, packed = [str(path) for path in found], [f"{path}.gz" for path in found]
    zeros = np.zeros((VOLUMES * PER_VOLUME, SIDE, SIDE, SIDE), np.float32)
    room = np.empty_like(zeros)

    def memcpy():
        np.copyto(room, zeros)
        return len(room), room[0]

    limit = {
        "memcpy of the patches": memcpy,
        "torch.randn of the patches": lambda: (len(room), torch.randn(zeros.shape)[0].numpy() / 9),
    }
    made = []
    for affine in (False, True):
        peers = {
            "memmap + torch": by_hand(paths, affine=affine),
            "MONAI CacheDataset": by_monai(paths, affine=affine, cache=True),
            "MONAI": by_monai(paths, affine=affine, cache=False),
            "TorchIO Queue": by_torchio(paths, affine=affine),
        }
        if not affine:
            peers |= {
                "MONAI .nii.gz": by_monai(packed, affine=affine, cache=False),
                "TorchIO Queue .nii.gz": by_torchio(packed, affine=affine),
                "medrs TrainingDataLoader": by_medrs(paths, training=True),
                "medrs FastLoader .nii.gz": by_medrs(packed, training=False),
            }
        goals = {"memmap + torch": 3.0 if affine else 1.5, "MONAI CacheDataset": 5.0}
        made.append(
            Row(
                group="Patches",
                name="16 patches of 96³" + (" with affine" if affine else ""),
                peers=peers,
                ours={
                    "MedFusion": ours(paths, affine=affine),
                    "MedFusion, 2 threads": ours(paths, affine=affine, threads=2),
                },
                limit=limit,
                check=_check(paths, affine=affine),
                goals=goals if affine else goals | {"MONAI": 50.0},
                note="Peers draw otherwise; what MedFusion drew is done again with torch and "
                "compared. medrs has no affine change and sets its own factors. The four files stay "
                "mapped in ours: its peak is what was touched of them, and no memory of its own.",
            )
        )
    return made
