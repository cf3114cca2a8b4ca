"""Pictures for the reviewer: of images, volumes and bags, and a reason where there is none."""

import io

import numpy as np
import pytest
from PIL import Image

from medfusion.data import Volume, png, read_table, write_nifti
from medfusion.review.row_pictures import RowPictures
from medfusion.spec import Experiment


def drawn(content):
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.fixture
def pictures(tmp_path):
    """Pictures of a table whose cells are given by view: pictures(views, **cells)."""

    def make(view, *cells):
        rows = [f"r{row},1,0,{cell}" for row, cell in enumerate(cells)]
        (tmp_path / "t.csv").write_text("\n".join(["id,age,y,path", *rows]) + "\n")
        document = {
            "data": {
                "table": "t.csv",
                "id": "id",
                "images": {"photo": {"column": "path"} | view},
                "target": {"kind": "binary", "column": "y"},
                "split": {"kind": "grouped"},
            }
        }
        experiment = Experiment.from_mapping(document, folder=tmp_path)
        return RowPictures(experiment, read_table(tmp_path / "t.csv"))

    return make


def test_images_keep_their_proportions_and_are_never_enlarged(pictures, tmp_path):
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (60, 120), dtype=np.uint8)
    (tmp_path / "grey.png").write_bytes(png.encode(grey))
    colour = rng.integers(0, 256, (30, 20, 3), dtype=np.uint8)
    (tmp_path / "colour.png").write_bytes(png.encode(colour))
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    found = pictures({}, "grey.png", "colour.png", "deep.png", "", "gone.png")
    shown = found.small([0, 1, None, 3, 4, 0])
    assert drawn(shown[0]).shape == (48, 96)
    assert (drawn(shown[1]) == colour).all()
    assert shown[2:5] == [b"", b"", b""]
    assert shown[5] == shown[0]
    assert (drawn(found.large(0)[0].png) == grey).all()
    assert (drawn(found.large(1)[0].png) == colour).all()
    assert np.abs(drawn(found.large(2)[0].png).astype(int) - grey).max() <= 1
    assert (found.large(3)[0].png, found.large(3)[0].note) == (b"", "no image")
    assert "gone.png" in found.large(4)[0].note


def test_volumes_and_bags(pictures, tmp_path):
    volume = Volume(np.arange(6 * 30 * 40, dtype=np.float32).reshape(6, 30, 40))
    write_nifti(volume, tmp_path / "v.nii.gz")
    found = pictures({"instances": {"kind": "slices"}}, "v.nii.gz", "gone.nii.gz")
    shown = found.large(0)[0]
    assert shown.note == "axial, slice 4 of 6"
    height, width = drawn(shown.png).shape
    assert height / width == pytest.approx(30 / 40, abs=0.02)
    assert drawn(found.small([0])[0]).shape == (72, 96)
    assert "gone.nii.gz" in found.large(1)[0].note
    for name in "abc":
        (tmp_path / f"{name}.png").write_bytes(png.encode(np.full((9, 9), ord(name), np.uint8)))
    found = pictures({"instances": {"kind": "bag"}}, "a.png; b.png; c.png", "none.png")
    assert found.large(0)[0].note == "image 2 of 3"
    assert (drawn(found.large(0)[0].png) == ord("b")).all()
    assert not found.large(1)[0].png


def test_nothing_outside_of_the_data_is_shown(pictures, tmp_path):
    outside = tmp_path.parent / "outside.png"
    outside.write_bytes(png.encode(np.zeros((4, 4), np.uint8)))
    found = pictures({}, "../outside.png", str(outside), "http://example.org/a.png")
    for row in range(3):
        picture = found.large(row)[0]
        assert not picture.png
        assert "leave the data root" in picture.note
        assert found.small([row]) == [b""]
