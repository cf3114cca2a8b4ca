"""Files for the benchmarks: chest-like CT volumes as NIfTI and DICOM, radiographs as PNG and JPEG.

    python tests/benchmarks/phantoms.py FOLDER

Noise and structure are chosen so that files compress about as real ones do (a CT slice to a third
by JPEG-LS). Same seed, same bytes for the same library versions. A folder is written once.
"""

from __future__ import annotations

import copy
import gzip
import shutil
import sys
from pathlib import Path

import numpy as np
from scipy import ndimage

SLICES, SIDE = 150, 512
VOLUMES = 8
RADIOGRAPHS = 240


def smooth(rng, shape, cells):
    """A random field that changes over about `shape / cells` voxels, sd about 1."""
    coarse = rng.normal(size=[max(2, length // cells) for length in shape]).astype(np.float32)
    factors = [length / count for length, count in zip(shape, coarse.shape, strict=True)]
    return ndimage.zoom(coarse, factors, order=1, grid_mode=True, mode="nearest")


def chest(seed, shape):
    """CT-like volume int16 [D, H, W] in HU: air, body, fat, lungs with vessels, spine, noise."""
    rng = np.random.default_rng(seed)
    z, y, x = np.meshgrid(
        *(np.linspace(-1, 1, length, dtype=np.float32) for length in shape),
        indexing="ij",
        sparse=True,
    )
    radius = (x / 0.82) ** 2 + (y / 0.62) ** 2 + 0.05 * smooth(rng, shape, 64)
    body = radius < 1
    volume = np.full(shape, -1000, np.float32)
    tissue = 40 + 25 * smooth(rng, shape, 40) + 10 * smooth(rng, shape, 8)
    volume[body] = tissue[body]
    fat = body & (radius > 0.86)
    volume[fat] = -95
    for centre in (-0.38, 0.38):
        lung = ((x - centre) / 0.27) ** 2 + ((y + 0.05) / 0.4) ** 2 + (z / 0.85) ** 2 < 1
        vessels = -860 + 420 * (smooth(rng, shape, 7) > 1.2)
        volume[lung] = vessels[lung]
    spine = ((x / 0.11) ** 2 + ((y - 0.38) / 0.13) ** 2 < 1) & np.ones(shape, bool)
    volume[spine] = 450 + 200 * smooth(rng, shape, 8)[spine]
    noise = rng.normal(size=shape).astype(np.float32)
    noise = ndimage.correlate1d(ndimage.correlate1d(noise, [0.2, 0.6, 0.2], 1), [0.2, 0.6, 0.2], 2)
    volume += noise * np.where(body, 30, 12)
    return np.clip(np.round(volume), -1024, 3071).astype(np.int16)


def radiograph(seed, height, width):
    """X-ray-like image float32 [H, W], 0 to 1."""
    rng = np.random.default_rng(seed)
    shape = (height, width)
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None, :]
    image = 0.55 + 0.12 * smooth(rng, shape, 128) + 0.05 * smooth(rng, shape, 32)
    for centre in (-0.4, 0.4):
        lung = 1 - ((x - centre) / 0.3) ** 2 - (y / 0.7) ** 2
        image -= 0.28 / (1 + np.exp(-8 * lung))
    image += 0.1 * (np.sin(y * 26 + np.abs(x) * 5) > 0.6)
    image += rng.normal(0, 0.012, shape)
    return np.clip(image, 0, 1)


def write_nifti(folder):
    """ct00.nii(.gz), ...: int16 256x256x128, 0.8 x 0.8 x 2 mm, voxel axes L, P, S."""
    import nibabel

    folder.mkdir(parents=True)
    affine = np.array([[-0.8, 0, 0, 100], [0, -0.8, 0, 100], [0, 0, 2, -120], [0, 0, 0, 1]])
    for number in range(VOLUMES):
        voxels = chest(1000 + number, (128, 256, 256)).transpose(2, 1, 0)
        image = nibabel.Nifti1Image(voxels, affine)
        image.header.set_slope_inter(1, 0)
        path = folder / f"ct{number:02d}.nii"
        nibabel.save(image, path)
        with gzip.GzipFile(f"{path}.gz", "wb", compresslevel=6, mtime=0) as file:
            file.write(path.read_bytes())


def write_dicom(folder):
    """s0_raw, s0_rle, s0_jls, s0_j2k: one CT series in four transfer syntaxes, names shuffled."""
    import pydicom
    from pydicom.data import get_testdata_file
    from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

    template = pydicom.dcmread(get_testdata_file("CT_small.dcm"))
    for tag in (
        "SmallestImagePixelValue",
        "LargestImagePixelValue",
        "PixelPaddingValue",
        "DataSetTrailingPadding",
    ):
        if tag in template:
            delattr(template, tag)
    stored = (chest(5000, (SLICES, SIDE, SIDE)).astype(np.int32) + 1024).astype("<i2")
    order = np.random.default_rng(0).permutation(SLICES).tolist()
    syntaxes = {"raw": None, "rle": RLELossless, "jls": JPEGLSLossless, "j2k": JPEG2000Lossless}
    for kind, syntax in syntaxes.items():
        series = folder / f"s0_{kind}"
        series.mkdir(parents=True)
        for position, number in enumerate(order):
            slice_ = copy.deepcopy(template)
            slice_.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            slice_.Rows = slice_.Columns = SIDE
            slice_.PixelSpacing, slice_.SliceThickness = [0.75, 0.75], 2
            slice_.BitsAllocated = slice_.BitsStored = 16
            slice_.HighBit, slice_.PixelRepresentation = 15, 1
            slice_.RescaleIntercept, slice_.RescaleSlope = -1024, 1
            slice_.ImagePositionPatient = [-192, -192, -150 + 2.0 * number]
            slice_.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
            slice_.InstanceNumber = number + 1
            slice_.SeriesInstanceUID = "1.2.826.0.1.3680043.8.498.7000"
            slice_.SOPInstanceUID = f"1.2.826.0.1.3680043.8.498.7000.{number + 1}"
            slice_.file_meta.MediaStorageSOPInstanceUID = slice_.SOPInstanceUID
            slice_.PixelData = stored[number].tobytes()
            slice_["PixelData"].VR = "OW"
            if syntax is not None:
                slice_.compress(syntax, stored[number], generate_instance_uid=False)
            slice_.save_as(series / f"{position:04d}.dcm", enforce_file_format=True)


def write_radiographs(folder):
    """0000_png8.png, 0001_jpg8.jpg, ..., every fifth a 16-bit PNG; sides of 512 to 1024."""
    from PIL import Image

    folder.mkdir(parents=True)
    sides = [512, 640, 768, 896, 1024]
    for number in range(RADIOGRAPHS):
        kind = ("png8", "jpg8", "png8", "jpg8", "png16")[number % 5]
        height, width = np.random.default_rng(number).choice(sides, 2).tolist()
        image = radiograph(number, height, width)
        path = folder / f"{number:04d}_{kind}.{'jpg' if kind == 'jpg8' else 'png'}"
        if kind == "png16":
            Image.fromarray((image * 4095).round().astype(np.uint16) * 16).save(path)
        elif kind == "png8":
            Image.fromarray((image * 255).round().astype(np.uint8)).save(path)
        else:
            Image.fromarray((image * 255).round().astype(np.uint8)).save(path, quality=90)


def write_all(folder):
    """Write what is not there yet; a folder appears only when it is complete."""
    works = {"nifti": write_nifti, "dicom": write_dicom, "xray": write_radiographs}
    for name, write in works.items():
        if not (folder / name).exists():
            print(f"writing {folder / name} ...", flush=True)
            part = folder / f"{name}.part"
            shutil.rmtree(part, ignore_errors=True)
            write(part)
            part.rename(folder / name)


if __name__ == "__main__":
    write_all(Path(sys.argv[1]))
