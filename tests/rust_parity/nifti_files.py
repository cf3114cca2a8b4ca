"""NIfTI files made byte by byte, valid or with any field changed."""

import gzip

import nibabel as nib
import numpy as np

CODES = {
    "uint8": 2,
    "int16": 4,
    "int32": 8,
    "float32": 16,
    "float64": 64,
    "int8": 256,
    "uint16": 512,
    "uint32": 768,
    "int64": 1024,
    "uint64": 1280,
}


def header(shape, dtype="int16", *, version=1, endian="<", pair=False, **fields):
    """Return nibabel's header of an image, some fields set as they are, unchecked."""
    kinds = {
        (1, False): nib.Nifti1Header,
        (1, True): nib.nifti1.Nifti1PairHeader,
        (2, False): nib.Nifti2Header,
        (2, True): nib.nifti2.Nifti2PairHeader,
    }
    made = kinds[version, pair](endianness=endian)
    made.set_data_shape(shape)
    made["datatype"] = CODES.get(dtype, 0) if isinstance(dtype, str) else dtype
    made["vox_offset"] = 0 if pair else {1: 352, 2: 544}[version]
    made["sform_code"] = 1
    made["srow_x"], made["srow_y"], made["srow_z"] = np.diag([2.0, 3.0, 4.0, 0.0])[:3]
    for name, value in fields.items():
        made.structarr[name] = value
    return made


def content(values, head, *, extension=b"\0\0\0\0"):
    """Return the bytes of a single file: header, extension, voxels in the header's byte order."""
    ordered = np.asarray(values)
    ordered = ordered.astype(ordered.dtype.newbyteorder(head.endianness))
    return head.binaryblock + extension + ordered.tobytes("F")


def write(path, values, *, version=1, endian="<", **fields):
    """Write an image of values [i, j, k, ...]; .gz is compressed."""
    values = np.asarray(values)
    head = header(values.shape, values.dtype.name, version=version, endian=endian, **fields)
    packed = content(values, head)
    path.write_bytes(gzip.compress(packed, 6) if path.suffix == ".gz" else packed)
    return path
