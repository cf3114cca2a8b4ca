"""Radiographs from disk to float32 [N, 1, 224, 224], normalised."""

import struct
from pathlib import Path

import harness
import numpy as np
from harness import Row

SIDE, MEAN, STD = 224, 0.5, 0.25
IMAGES = 96
KINDS = {"png8": "PNG, 8 bit", "png16": "PNG, 16 bit", "jpg8": "JPEG, quality 90"}


def torch_peers(files, kind):
    """Pillow and torchvision, one image after the other, in one thread."""
    import torch
    import torchvision
    from PIL import Image
    from torchvision.transforms import v2

    torch.set_num_threads(1)
    resize = v2.Resize((SIDE, SIDE), antialias=True)
    normalise = v2.Normalize([MEAN], [STD])
    deep = kind == "png16"
    to_float = v2.Compose([resize, v2.ToImage(), v2.ToDtype(torch.float32, scale=True), normalise])

    def pillow(file):
        image = Image.open(file)
        if deep:
            return normalise(resize(torch.from_numpy(np.asarray(image, np.float32))[None] / 65535))
        return to_float(image.convert("L"))

    def torchvision_io(file):
        mode = torchvision.io.ImageReadMode
        image = torchvision.io.decode_image(file, mode.UNCHANGED if deep else mode.GRAY)
        resized = resize(image.float() if deep else image)
        return normalise(resized.float() / (65535 if deep else 255))

    return {
        "Pillow + torchvision": lambda: torch.stack([pillow(file) for file in files]).numpy(),
        "torchvision.io": lambda: torch.stack([torchvision_io(file) for file in files]).numpy(),
    }


def opencv_peers(files, kind):
    """OpenCV's area filter, and faster ways to decode a JPEG."""
    import cv2
    import simplejpeg
    from PIL import Image

    cv2.setNumThreads(1)
    largest = 65535 if kind == "png16" else 255

    def finish(images):
        out = np.empty((len(files), 1, SIDE, SIDE), np.float32)
        for slot, image in zip(out, images, strict=True):
            slot[0] = image.astype(np.float32) * (1 / largest / STD) - MEAN / STD
        return out

    def area(image):
        return cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)

    def draft(file):
        image = Image.open(file)
        image.draft("L", (SIDE, SIDE))
        small = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
        return np.asarray(small)

    def turbo(file):
        return simplejpeg.decode_jpeg(file_bytes(file), colorspace="GRAY")[..., 0]

    unchanged = cv2.IMREAD_UNCHANGED
    peers = {"OpenCV": lambda: finish(area(cv2.imread(file, unchanged)) for file in files)}
    if kind == "jpg8":
        peers["simplejpeg + OpenCV"] = lambda: finish(area(turbo(file)) for file in files)
        peers["Pillow draft (scaled DCT, other pixels)"] = lambda: finish(map(draft, files))
    return peers


def ours(files, threads):
    from medfusion.data.images import decode_images

    out = np.empty((len(files), 1, SIDE, SIDE), np.float32)

    def run():
        decode_images(files, out, mean=[MEAN], std=[STD], threads=threads)
        return out

    return run


def limits(files, kind):
    """What a decoder cannot do without."""
    import cv2
    import deflate
    import simplejpeg

    decoded = [cv2.imread(file, cv2.IMREAD_UNCHANGED) for file in files]
    size = (SIDE, SIDE)
    works = {
        "read the files": lambda: [len(file_bytes(file)) for file in files],
        "OpenCV resize": lambda: [
            cv2.resize(image, size, interpolation=cv2.INTER_AREA).shape for image in decoded
        ],
    }
    contents = [file_bytes(file) for file in files]
    if kind == "jpg8":
        works["turbojpeg decode"] = lambda: [
            simplejpeg.decode_jpeg(content, colorspace="GRAY").shape for content in contents
        ]
        return works
    streams = [
        (pixels(content), image.shape[0] * (image.shape[1] * image.itemsize + 1))
        for content, image in zip(contents, decoded, strict=True)
    ]
    works["libdeflate"] = lambda: [
        len(deflate.zlib_decompress(stream, length)) for stream, length in streams
    ]
    return works


def file_bytes(file):
    return Path(file).read_bytes()


def pixels(content):
    """Return the compressed pixels of a PNG file."""
    at, parts = 8, []
    while at < len(content):
        (length,) = struct.unpack_from(">I", content, at)
        if content[at + 4 : at + 8] == b"IDAT":
            parts.append(content[at + 8 : at + 8 + length])
        at += 12 + length
    return b"".join(parts)


def check(results):
    """All but other filters and other pixels are within the rounding of 8 bits."""
    ours = results["MedFusion, 1 thread"]
    np.testing.assert_array_equal(ours, results["MedFusion, all threads"])
    level = 1 / 255 / STD
    for name, found in results.items():
        if isinstance(found, np.ndarray):
            allowed = 1.0 if name.startswith(("Pillow +", "torchvision")) else 5.0
            difference = np.abs(found - ours).mean()
            assert difference < allowed * level, f"{name}: {difference / level:.2f} levels"


def rows():
    found = []
    for kind, name in KINDS.items():
        files = sorted(map(str, (harness.data() / "xray").glob(f"*_{kind}.*")))[:IMAGES]
        goals = {"OpenCV": 1.6, "Pillow + torchvision": 2.0}
        if kind == "jpg8":
            goals = {"OpenCV": 1.1, "Pillow + torchvision": 1.5}
        found.append(
            Row(
                group="2D images",
                name=f"{len(files)} radiographs, {name}, to 224 x 224",
                peers=torch_peers(files, kind) | opencv_peers(files, kind),
                ours={
                    "MedFusion, 1 thread": ours(files, 1),
                    "MedFusion, all threads": ours(files, 0),
                },
                limit=limits(files, kind),
                check=check,
                goals=goals,
                note="OpenCV's area filter gives other values than the antialiased bilinear one.",
            )
        )
    return found
