"""The second epoch of 2D images: from the cache, against other caches, decoding, and memcpy."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from harness import Row, data
from PIL import Image

from medfusion.data import Pictures, PrefetchLoader
from medfusion.data.cache import Cache

SIZE = 224
BATCH = 32
COUNT = 96
TIMES = 4
"""An epoch goes through the files so often: twelve batches rather than three."""
MEAN, STD = 0.5, 0.25


def rows():
    """Return the rows of loading."""
    torch.set_num_threads(1)
    files = sorted(str(path) for path in (data() / "xray").glob("*png8.png"))[:COUNT] * TIMES
    folder = tempfile.TemporaryDirectory(prefix="medfusion-bench-")
    return [second_epoch(files, Path(folder.name), folder)]


def decoded(path):
    """Return one image as PyTorch users have it from Pillow."""
    image = Image.open(path).convert("L").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    pixels = np.asarray(image, np.float32)[None]
    return torch.from_numpy((pixels / 255 - MEAN) / STD)


class Decoded(torch.utils.data.Dataset):
    """Decodes each time."""

    def __init__(self, files):
        self.files = files

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        return decoded(self.files[index])


class Mapped(Decoded):
    """Half-precision values in a memory map."""

    def __init__(self, files, path):
        super().__init__(files)
        shape = (len(files), 1, SIZE, SIZE)
        self.map = np.lib.format.open_memmap(path, "w+", np.float16, shape)
        for place, file in enumerate(files):
            self.map[place] = decoded(file).numpy()
        self.map.flush()

    def __getitem__(self, index):
        return torch.from_numpy(self.map[index].astype(np.float32))


def second_epoch(files, folder, keep):
    """Return the row; `keep` lives as long as it does."""
    from monai.data import CacheDataset, PersistentDataset
    from monai.transforms import Transform

    class Decode(Transform):  # MONAI caches what is a Transform, and no plain function
        def __call__(self, path):
            return decoded(path)

    cached = CacheDataset(files, Decode(), progress=False, num_workers=1)
    stored = PersistentDataset(files, Decode(), cache_dir=folder / "monai")
    mapped = Mapped(files, folder / "map.npy")
    loader = PrefetchLoader(
        files,
        Pictures((SIZE, SIZE), 1, (MEAN,), (STD,)),
        batch_size=BATCH,
        cache=Cache(folder / "cache" / "prepared" / "prepared.cache", 2**30),
    )
    values = np.stack([decoded(file).numpy() for file in files])
    copies = np.empty_like(values)

    def epoch(batches, pick=lambda batch: batch):
        """Look at every batch; return one number of each image, which all peers agree on."""
        return np.concatenate([pick(batch)[:, 0, 100, 100].numpy() for batch in batches])

    def peer(dataset):
        return lambda: epoch(torch.utils.data.DataLoader(dataset, batch_size=BATCH))

    def ours():
        return epoch(loader, lambda batch: batch["image"])

    def memcpy():
        np.copyto(copies, values)
        return copies[:, 0, 100, 100]

    def check(results):
        assert keep is not None
        wanted = results["memcpy"]
        for name, found in results.items():
            # One grey level: the core rounds once, Pillow after each of its two passes.
            limit = 1.01 / 255 / STD if name.startswith("MedFusion") else 5e-3
            assert np.abs(found - wanted).max() <= limit, name

    peer(stored)()  # the first epoch fills the caches
    ours()
    return Row(
        group="Second epoch, 2D",
        name=f"{len(files)} PNG at {SIZE} x {SIZE}, batches of {BATCH}",
        peers={
            "MONAI CacheDataset": peer(cached),
            "MONAI PersistentDataset": peer(stored),
            "memmap float16": peer(mapped),
            "decoded anew (Pillow)": peer(Decoded(files)),
        },
        ours={"MedFusion PrefetchLoader": ours},
        limit={"memcpy": memcpy},
        check=check,
        goals={
            "MONAI CacheDataset": 1 / 1.5,
            "MONAI PersistentDataset": 3.0,
            "decoded anew (Pillow)": 50.0,
        },
        others={"within twice the time of memcpy": ("MedFusion PrefetchLoader", "memcpy", 0.5)},
    )
