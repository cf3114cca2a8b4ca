"""Decoding of compressed frames alone, without files: each codec against the usual ones."""

import harness
import numpy as np
from harness import Row

FRAMES = 20


def frames(kind):
    """Return the encoded frames of the first slices of a series."""
    import pydicom
    from pydicom.encaps import generate_frames

    paths = sorted((harness.data() / "dicom" / f"s0_{kind}").iterdir())[:FRAMES]
    datasets = [pydicom.dcmread(path) for path in paths]
    return [next(generate_frames(one.PixelData, number_of_frames=1)) for one in datasets]


def equal(results):
    """Compare all decoded frames, bit by bit."""
    stacks = {name: np.stack(found).view(np.int16) for name, found in results.items()}
    first = next(iter(stacks.values()))
    for stack in stacks.values():
        np.testing.assert_array_equal(stack, first)


def row(kind, codec, title, peers, goals, note=""):
    """Make a row of decoders that take a frame's bytes."""
    from medfusion import _rust

    encoded = frames(kind)
    shape = {"rows": 512, "columns": 512, "bits_allocated": 16, "bits_stored": 16, "signed": True}
    ours = {"MedFusion": lambda: [_rust.decode_frame(codec, one, **shape) for one in encoded]}
    works = {
        name: lambda decode=decode: [decode(one) for one in encoded]
        for name, decode in peers.items()
    }
    return Row(
        group="Codecs",
        name=f"{FRAMES} frames 512², {title}",
        peers=works,
        ours=ours,
        check=equal,
        goals=goals,
        note=note,
    )


def rows():
    """Return one row for each codec."""
    import imagecodecs
    import libjpeg
    import openjpeg
    from pydicom.pixels.decoders.rle import _rle_decode_frame

    return [
        row(
            "rle",
            "rle",
            "RLE",
            {
                "imagecodecs": lambda one: np.frombuffer(
                    imagecodecs.dicomrle_decode(one, "<i2"), "<i2"
                ).reshape(512, 512),
                "pydicom": lambda one: np.frombuffer(
                    _rle_decode_frame(one, 512, 512, 1, 16), "<i2"
                ).reshape(512, 512),
            },
            {"imagecodecs": 1.0},
        ),
        row(
            "jls",
            "jpeg-ls",
            "JPEG-LS",
            {"imagecodecs (CharLS)": imagecodecs.jpegls_decode, "pylibjpeg": libjpeg.decode},
            {"imagecodecs (CharLS)": 0.75, "pylibjpeg": 2.0},
            note="CharLS is C++ and trusts what it reads; ours is safe Rust.",
        ),
        row(
            "j2k",
            "jpeg2000",
            "JPEG 2000",
            {
                "imagecodecs (OpenJPEG)": lambda one: imagecodecs.jpeg2k_decode(one, numthreads=1),
                "pylibjpeg (OpenJPEG)": openjpeg.decode,
            },
            {"imagecodecs (OpenJPEG)": 0.91, "pylibjpeg (OpenJPEG)": 1.0},
        ),
    ]
