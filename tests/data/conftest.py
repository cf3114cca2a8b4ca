"""Small cohorts on disk: a table, optional images, and an Experiment that reads them."""

import csv

import numpy as np
import pytest

from medfusion.data import png
from medfusion.spec import Experiment


@pytest.fixture
def write_csv(tmp_path):
    """Write columns as table.csv and return its path."""

    def write(columns, name="table.csv"):
        path = tmp_path / name
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))
        return path

    return write


@pytest.fixture
def write_image(tmp_path):
    """Write a grey PNG below the table's folder; a number is one flat grey, else an array."""

    def write(name, pixels=0, size=(16, 16)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if np.isscalar(pixels):
            pixels = np.full(size, pixels, dtype=np.uint8)
        path.write_bytes(png.encode(np.asarray(pixels, dtype=np.uint8)))
        return path

    return write


@pytest.fixture
def experiment(tmp_path):
    """An Experiment over table.csv in the test's folder; keywords change its data part."""

    def make(**data):
        document = {
            "medfusion": 1,
            "data": {
                "table": "table.csv",
                "id": "id",
                "target": {"kind": "binary", "column": "y"},
                "split": {"kind": "column", "column": "split"},
            }
            | data,
        }
        return Experiment.from_mapping(document, folder=tmp_path)

    return make


@pytest.fixture
def plain(write_csv):
    """Write a clean table of n rows in a fixed 60/20/20 split and return its columns."""

    def make(n=100, seed=0, **extra):
        rng = np.random.default_rng(seed)
        columns = {
            "id": [f"{i:04d}" for i in range(n)],
            "age": [f"{value:.1f}" for value in rng.normal(60, 10, n)],
            "sex": rng.choice(["f", "m"], n).tolist(),
            "y": rng.integers(0, 2, n).tolist(),
            "split": [("train", "train", "train", "val", "test")[i % 5] for i in range(n)],
        } | extra
        write_csv(columns)
        return columns

    return make


@pytest.fixture
def write_slice(tmp_path):
    """Write one DICOM image with pydicom and return its path; keywords are attributes.

    None takes an attribute out. Every call has a SOP instance UID of its own.
    """
    from pydicom import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    def write(name, pixels=None, *, folder="series", meta=True, **attributes):
        pixels = np.arange(24, dtype=np.int16).reshape(4, 6) if pixels is None else pixels
        data = Dataset()
        several = pixels.ndim - (pixels.shape[-1] == 3) > 2
        values = {
            "SOPClassUID": CTImageStorage,
            "SOPInstanceUID": generate_uid(),
            "StudyInstanceUID": "1.2.3",
            "SeriesInstanceUID": "1.2.3.4",
            "FrameOfReferenceUID": "1.2.3.5",
            "PatientName": "Secret^Person",
            "PatientID": "SECRET-ID",
            "Modality": "CT",
            "SeriesDescription": "Thorax",
            "SeriesNumber": 2,
            "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
            "ImagePositionPatient": [0.0, 0.0, 0.0],
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "PixelSpacing": [2.0, 3.0],
            "SliceThickness": 1.0,
            "InstanceNumber": 1,
            "SamplesPerPixel": 3 if pixels.shape[-1] == 3 else 1,
            "PhotometricInterpretation": "RGB" if pixels.shape[-1] == 3 else "MONOCHROME2",
            "NumberOfFrames": len(pixels) if several else None,
            "PlanarConfiguration": 0 if pixels.shape[-1] == 3 else None,
            "Rows": pixels.shape[several],
            "Columns": pixels.shape[several + 1],
            "BitsAllocated": pixels.itemsize * 8,
            "BitsStored": pixels.itemsize * 8,
            "HighBit": pixels.itemsize * 8 - 1,
            "PixelRepresentation": int(pixels.dtype.kind == "i"),
            "RescaleSlope": 1,
            "RescaleIntercept": -1024,
        } | attributes
        for key, value in values.items():
            if value is not None:
                setattr(data, key, value)
        data.add_new("PixelData", "OW", np.ascontiguousarray(pixels).tobytes())
        path = tmp_path / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if meta:
            data.file_meta = FileMetaDataset()
            data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
            data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
            data.save_as(path, enforce_file_format=True)
        else:
            data.save_as(path, implicit_vr=True, little_endian=True)
        return path

    return write


@pytest.fixture
def write_stack(write_slice):
    """Write slices at places along a normal; the pixels of slice k are k * 100 + 0, 1, 2, ..."""

    def write(places, *, folder="series", prefix="s", orientation=(1, 0, 0, 0, 1, 0),
              origin=(0, 0, 0), tilt=(0, 0, 0), dtype=np.int16, **attributes):  # fmt: skip
        normal = np.cross(orientation[:3], orientation[3:])
        paths = []
        for k, place in enumerate(places):
            pixels = (np.arange(24) + 100 * k).astype(dtype).reshape(4, 6)
            position = np.array(origin) + (normal + np.array(tilt)) * place
            own = {key: value(k) if callable(value) else value for key, value in attributes.items()}
            paths.append(
                write_slice(
                    f"{prefix}{k:03d}",
                    pixels,
                    folder=folder,
                    **{
                        "ImagePositionPatient": [f"{value:.8f}" for value in position],
                        "ImageOrientationPatient": [f"{value:.10f}" for value in orientation],
                        "InstanceNumber": k + 1,
                        **own,
                    },
                )
            )
        return paths

    return write
