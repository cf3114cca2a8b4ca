"""NIfTI to float32: compressed, uncompressed, a crop, eight files on threads, a real 4-D file."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from harness import Row, data

ORIGIN, SIZE = (80, 80, 16), (96, 96, 96)
"""Of the crop, along i, j and k."""


_ALONE = tempfile.TemporaryDirectory(prefix="medfusion-nifti-")
"""The compressed files without the uncompressed ones: of `a.nii.gz` SimpleITK reads the voxels of
`a.nii` where that lies beside it, and would be timed without inflating anything."""

INFLATE, WARM = "libdeflate alone", "into warm memory"
"""Limits; what they give back is not compared."""


def equal(results):
    """All results are the same numbers: arrays, or lists of numbers."""
    found = {
        name: np.asarray(result) for name, result in results.items() if name not in {INFLATE, WARM}
    }
    first = found["MedFusion"]
    for name, other in found.items():
        assert first.shape == other.shape, name
        np.testing.assert_array_equal(first, other, err_msg=name)


def rows() -> list[Row]:
    """Return the rows of the table; the peers are imported here."""
    import deflate
    import medrs
    import monai.transforms
    import nibabel as nib
    import SimpleITK as sitk  # noqa: N813 - its usual name
    import torchio

    from medfusion.data.nifti import read_nifti, read_nifti_batch

    found = sorted((data() / "nifti").glob("*.nii.gz"))[:8]
    packed = [Path(_ALONE.name, path.name) for path in found]
    for link, path in zip(packed, found, strict=True):
        link.unlink(missing_ok=True)
        link.symlink_to(path.resolve())
    gz, raw = str(packed[0]), str(found[0]).removesuffix(".gz")
    shape = read_nifti(raw).array.shape
    load = monai.transforms.LoadImage(image_only=True, dtype=np.float32)
    content = Path(gz).read_bytes()

    def nibabel(path):
        return np.asarray(nib.load(path).dataobj, dtype=np.float32).T

    def itk(path):
        return sitk.GetArrayFromImage(sitk.ReadImage(str(path), sitk.sitkFloat32))

    def libdeflate(path):
        unpacked = deflate.gzip_decompress(Path(path).read_bytes())
        return np.frombuffer(unpacked, "<i2", offset=352).astype(np.float32).reshape(shape)

    def mapped(path):
        return np.memmap(path, "<i2", "r", 352, shape)

    readers = {
        "nibabel": nibabel,
        "SimpleITK": itk,
        "medrs": lambda path: medrs.load(str(path)).to_numpy().T,
        "MONAI": lambda path: np.asarray(load(path)).T,
        "TorchIO": lambda path: torchio.ScalarImage(path).data.float()[0].numpy().T,
    }

    def each(path, names=tuple(readers)):
        return {name: lambda read=readers[name]: read(path) for name in names}

    box = tuple(
        slice(start, start + size)
        for start, size in zip(reversed(ORIGIN), reversed(SIZE), strict=True)
    )
    region = tuple((part.start, part.stop) for part in box)
    batch = np.empty((len(packed), *shape), np.float32)

    def several(read, threads):
        def run():
            with ThreadPoolExecutor(threads) as pool:
                return [float(array[0, 0, 0]) for array in pool.map(read, packed)]

        return run

    def in_one_batch(threads):
        def run():
            read_nifti_batch(packed, batch, threads=threads)
            return [float(array[0, 0, 0]) for array in batch]

        return run

    time_series = str(Path(nib.__file__).parent / "tests" / "data" / "example4d.nii.gz")
    return [
        Row(
            group="NIfTI",
            name=".nii.gz, 256 x 256 x 128 int16, to float32",
            peers={"libdeflate + astype": lambda: libdeflate(gz), **each(gz)},
            ours={"MedFusion": lambda: read_nifti(gz).array},
            limit={INFLATE: lambda: deflate.gzip_decompress(content)},
            check=equal,
            goals={
                "libdeflate + astype": 0.95,
                "SimpleITK": 1.3,
                "medrs": 1.3,
                "nibabel": 3.0,
                "MONAI": 4.0,
                INFLATE: 1 / 1.4,
            },
        ),
        Row(
            group="NIfTI",
            name=".nii, 256 x 256 x 128 int16, to float32",
            peers={"memmap + astype": lambda: mapped(raw).astype(np.float32), **each(raw)},
            ours={"MedFusion": lambda: read_nifti(raw).array},
            limit={WARM: lambda: read_nifti_batch([raw], batch[:1], threads=1)},
            check=equal,
            goals={"memmap + astype": 0.9, "nibabel": 0.9, "SimpleITK": 2.0, "medrs": 2.0},
        ),
        Row(
            group="NIfTI",
            name=".nii, a crop of 96 x 96 x 96",
            peers={
                "medrs": lambda: medrs.load_cropped(raw, list(ORIGIN), list(SIZE)).to_numpy().T,
                "memmap": lambda: np.ascontiguousarray(mapped(raw)[box]).astype(np.float32),
                "nibabel": lambda: (
                    np.asarray(nib.load(raw).dataobj[tuple(reversed(box))], np.float32).T
                ),
                "MONAI": lambda: np.asarray(load(raw)).T[box],
            },
            ours={"MedFusion": lambda: read_nifti(raw, region=region).array},
            check=equal,
            goals={"medrs": 1.0, "MONAI": 20.0},
        ),
        Row(
            group="NIfTI",
            name=".nii.gz, 8 files on 2 threads",
            peers={
                "libdeflate + astype": several(libdeflate, 2),
                "medrs": several(readers["medrs"], 2),
                "SimpleITK": several(itk, 2),
                "nibabel": several(nibabel, 2),
            },
            ours={
                "MedFusion": in_one_batch(2),
                "MedFusion, file by file": several(lambda path: read_nifti(path).array, 2),
                "MedFusion, 1 thread": in_one_batch(1),
            },
            check=equal,
            goals={"libdeflate + astype": 0.95, "medrs": 1.3, "SimpleITK": 1.3},
        ),
        Row(
            group="NIfTI",
            name=".nii.gz, 4-D with a header extension (real)",
            note="medrs refuses this file",
            peers={
                "nibabel": lambda: nibabel(time_series),
                "SimpleITK": lambda: itk(time_series),
                "TorchIO": lambda: (
                    torchio.ScalarImage(time_series).data.float().numpy().transpose(0, 3, 2, 1)
                ),
                "MONAI": lambda: np.asarray(load(time_series)).T,
            },
            ours={"MedFusion": lambda: read_nifti(time_series).array},
            check=equal,
            goals={"nibabel": 2.0, "SimpleITK": 1.3, "TorchIO": 2.0, "MONAI": 3.0},
        ),
    ]
