"""DICOM files of every kind, written with pydicom for the tests."""

import io
import warnings

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

ROOT = "1.2.826.0.1.3680043.8.498"


def dataset(pixels, *, syntax=ExplicitVRLittleEndian, stored=None, **elements):
    """Return an image object; pixels are [H, W], [H, W, 3], [F, H, W] or [F, H, W, 3]."""
    pixels = np.asarray(pixels)
    colour = pixels.ndim > 2 and pixels.shape[-1] == 3
    rows, columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    meta.MediaStorageSOPInstanceUID = f"{ROOT}.1"
    ds = FileDataset(
        None,
        {},
        file_meta=meta,
        preamble=bytes(128),
        is_implicit_VR=syntax == ImplicitVRLittleEndian,
        is_little_endian=syntax != ExplicitVRBigEndian,
    )
    ds.SOPClassUID = meta.MediaStorageSOPClassUID
    ds.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID, ds.SeriesInstanceUID = f"{ROOT}.2", f"{ROOT}.3"
    ds.Modality = "CT"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate = "Doe^Jane", "4711", "19700101"
    ds.SeriesDescription = "Thorax"
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [1, 2, 3.5], [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SliceThickness = [0.5, 0.75], 2
    ds.Rows, ds.Columns = rows, columns
    ds.SamplesPerPixel = 3 if colour else 1
    ds.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        ds.PlanarConfiguration = 0
    if pixels.ndim == 3 + colour:
        ds.NumberOfFrames = len(pixels)
    ds.BitsAllocated = pixels.itemsize * 8
    ds.BitsStored = stored or ds.BitsAllocated
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    for name, value in elements.items():
        setattr(ds, name, value)
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    ds.PixelData = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    if len(ds.PixelData) % 2:
        ds.PixelData += b"\0"
    ds["PixelData"].VR = "OB" if pixels.itemsize == 1 else "OW"
    return ds


def write(ds, path, **options):
    """Write a dataset as it is, without pydicom's opinion on it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds.save_as(path, enforce_file_format=True, **options)
    return str(path)


def smooth(shape, top=255, dtype=np.uint8):
    """Values that codecs like: waves."""
    grid = np.indices(shape).sum(0)
    return ((np.sin(grid / 3) + 1) / 2 * top).astype(dtype)


def compressed(pixels, syntax, **elements):
    """Return an image object that pydicom compressed."""
    ds = dataset(pixels, **elements)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds.compress(syntax, generate_instance_uid=False)
    return ds


def jpeg(pixels, **options):
    """Return an image object with one frame of baseline JPEG."""
    ds = dataset(pixels, syntax=JPEGBaseline8Bit)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "jpeg", **options)
    ds.PixelData = encapsulate([file.getvalue()])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    if pixels.ndim == 3:
        ds.PhotometricInterpretation = "YBR_FULL_422"
    return ds


def enhanced(frames=4):
    """Return an enhanced multi-frame object: shared and per-frame functional groups."""

    def item(**elements):
        found = pydicom.Dataset()
        for name, value in elements.items():
            setattr(found, name, value)
        return Sequence([found])

    ds = dataset(smooth((frames, 12, 10), 4000, np.uint16), stored=12)
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(ds, name)
    shared = pydicom.Dataset()
    shared.PlaneOrientationSequence = item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    shared.PixelMeasuresSequence = item(PixelSpacing=[0.5, 0.75], SliceThickness=3)
    shared.PixelValueTransformationSequence = item(RescaleSlope=2, RescaleIntercept=-10)
    ds.SharedFunctionalGroupsSequence = Sequence([shared])
    groups = []
    for n in range(frames):
        group = pydicom.Dataset()
        group.PlanePositionSequence = item(ImagePositionPatient=[0, 0, 3 * n])
        group.FrameContentSequence = item(
            StackID="1",
            InStackPositionNumber=n + 1,
            TemporalPositionIndex=1,
            DimensionIndexValues=[1, n + 1],
        )
        if n == 1:
            group.PixelValueTransformationSequence = item(RescaleSlope=3, RescaleIntercept=-5)
        groups.append(group)
    ds.PerFrameFunctionalGroupsSequence = Sequence(groups)
    return ds


def kinds():
    """Return small objects of many kinds, by name."""
    grey8, grey16 = smooth((12, 10)), smooth((12, 10), 4095, np.uint16)
    signed = smooth((12, 10), 2000, np.int16) - np.int16(1000)
    rgb = smooth((12, 10, 3))
    two = np.stack([grey16, grey16[::-1]])
    bits = dataset((grey8 > 128).astype(np.uint8))
    bits.PixelData = np.packbits(grey8.ravel() > 128, bitorder="little").tobytes() + b"\0"
    bits.BitsAllocated = bits.BitsStored = 1
    bits.HighBit = 0
    palette = dataset(grey8, PhotometricInterpretation="PALETTE COLOR")
    for n, colour in enumerate(("Red", "Green", "Blue")):
        setattr(palette, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        table = (np.arange(256, dtype=np.uint16)[:: 1 - 2 * (n % 2)] * 257).astype("<u2")
        setattr(palette, f"{colour}PaletteColorLookupTableData", table.tobytes())
    return {
        "explicit": dataset(signed, RescaleSlope=1, RescaleIntercept=-1024),
        "implicit": dataset(grey16, syntax=ImplicitVRLittleEndian, stored=12),
        "big": dataset(signed, syntax=ExplicitVRBigEndian),
        "deflated": dataset(grey16, syntax=DeflatedExplicitVRLittleEndian),
        "deflated frames": dataset(two, syntax=DeflatedExplicitVRLittleEndian),
        "rgb": dataset(rgb),
        "bits": bits,
        "palette": palette,
        "frames": dataset(two),
        "enhanced": enhanced(),
        "rle": compressed(two, RLELossless),
        "rle rgb": compressed(rgb, RLELossless),
        "jpeg-ls": compressed(grey16, JPEGLSLossless, stored=12),
        "jpeg-ls signed": compressed(signed, JPEGLSLossless),
        "jpeg 2000": compressed(smooth((32, 36), 4095, np.uint16), JPEG2000Lossless),
        "jpeg": jpeg(grey8),
        "jpeg rgb": jpeg(rgb, subsampling=0),
    }
