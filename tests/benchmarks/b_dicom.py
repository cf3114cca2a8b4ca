"""A CT series of 150 slices to sorted float32 Hounsfield units, for each transfer syntax."""

from __future__ import annotations

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from harness import Row, data

KINDS = {
    "raw": ("raw", {"dicomsdl": 4.0, "pydicom": 10.0, "GDCM (SimpleITK)": 15.0}),
    "rle": ("RLE", {"dicomsdl": 5.0, "pydicom": 10.0, "GDCM (SimpleITK)": 20.0}),
    "jls": ("JPEG-LS", {"dicomsdl": 0.9, "pydicom": 1.2}),
    "j2k": ("JPEG 2000", {"dicomsdl": 0.9, "pydicom": 1.15}),
}
"""Folder, name and how many times longer each peer should take."""

CODECS = {"jls": 1.6, "j2k": 1.7}
"""Bound by the codec: what the second core should bring."""

ONE = "MedFusion, 1 core"


def equal(results):
    """All peers give the same voxels; some count the slices from the other end."""
    first = next(iter(results.values()))
    for name, found in results.items():
        if isinstance(found, np.ndarray):
            assert found.shape == first.shape, name
            same = np.array_equal(found, first) or np.array_equal(found[::-1], first)
            assert same, f"{name}: other voxels"


def stacked(files, read):
    """Sort (z, slice) pairs and stack them."""
    slices = sorted((read(file) for file in files), key=lambda pair: pair[0])
    return np.stack([pixels for _, pixels in slices])


def rescaled(pixels, dataset):
    """Stored values to Hounsfield units, as users do it."""
    slope, intercept = np.float32(dataset.RescaleSlope), np.float32(dataset.RescaleIntercept)
    return pixels.astype(np.float32) * slope + intercept


def on_one_core(work):
    """Return the work as a machine with one core would do it."""

    def alone():
        cores = os.sched_getaffinity(0)
        # The last one: the first has the interrupts of the machine to serve.
        os.sched_setaffinity(0, {max(cores)})
        try:
            return work()
        finally:
            os.sched_setaffinity(0, cores)

    return alone


def rows() -> list[Row]:
    """Return the rows of the table; the peers are imported here."""
    folders = {kind: data() / "dicom" / f"s0_{kind}" for kind in KINDS}
    return [_row(kind, folder) for kind, folder in folders.items() if folder.is_dir()]


def _row(kind: str, folder: Path) -> Row:
    import dicomsdl
    import imagecodecs
    import monai.transforms
    import pydicom
    import SimpleITK as sitk  # noqa: N813 - its usual name
    from pydicom.encaps import generate_frames

    from medfusion.data.reading import read_volume

    files = sorted(folder.glob("*.dcm"))
    sitk.ProcessObject.SetGlobalWarningDisplay(False)

    def by_pydicom(file):
        dataset = pydicom.dcmread(file)
        return float(dataset.ImagePositionPatient[2]), rescaled(dataset.pixel_array, dataset)

    def by_dicomsdl(file):
        dataset = dicomsdl.open_file(str(file))
        pixels = dataset.pixelData(storedvalue=True)
        return float(dataset.ImagePositionPatient[2]), rescaled(pixels, dataset)

    def gdcm():
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
        reader.SetOutputPixelType(sitk.sitkFloat32)
        return sitk.GetArrayFromImage(reader.Execute())

    load = monai.transforms.LoadImage(reader="PydicomReader", image_only=True, dtype=np.float32)

    def monai_loader():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.asarray(load(str(folder))).transpose(2, 1, 0)

    coded = []
    for file in files:
        dataset = pydicom.dcmread(file)
        packed = dataset.file_meta.TransferSyntaxUID.is_encapsulated
        value = dataset.PixelData
        coded.append(next(generate_frames(value, number_of_frames=1)) if packed else value)
    codec = {
        "raw": lambda frame: np.frombuffer(frame, "<i2").copy(),
        "rle": lambda frame: imagecodecs.dicomrle_decode(frame, "<i2"),
        "jls": imagecodecs.jpegls_decode,
        "j2k": lambda frame: imagecodecs.jpeg2k_decode(frame, numthreads=1),
    }[kind]
    result = stacked(files, by_dicomsdl)
    copy = np.empty_like(result)

    def memcpy():
        np.copyto(copy, result)

    def codec_alone(threads):
        with ThreadPoolExecutor(threads) as pool:
            for _ in pool.map(codec, coded):
                pass

    def read_files():
        for file in files:
            file.read_bytes()

    name, goals = KINDS[kind]
    others = {f"{ONE} against {peer}": (ONE, peer, asked) for peer, asked in goals.items()}
    if kind in CODECS:
        others["two cores against one"] = ("MedFusion", ONE, CODECS[kind])
    return Row(
        group="DICOM",
        name=f"{len(files)} slices of 512 x 512, {name}, to sorted float32 HU",
        peers={
            "pydicom": lambda: stacked(files, by_pydicom),
            "dicomsdl": lambda: stacked(files, by_dicomsdl),
            "GDCM (SimpleITK)": gdcm,
            "MONAI": monai_loader,
        },
        ours={
            "MedFusion": lambda: read_volume(folder).array,
            ONE: on_one_core(lambda: read_volume(folder).array),
        },
        limit={
            "read the files": read_files,
            "memcpy of the result": memcpy,
            "codec alone, 1 thread": lambda: codec_alone(1),
            "codec alone, 2 threads": lambda: codec_alone(2),
        },
        check=equal,
        goals=goals,
        others=others,
        rounds=3 if kind in CODECS else 5,
    )
