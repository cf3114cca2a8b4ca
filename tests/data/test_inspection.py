"""`inspect`: what a file or a folder is, from headers; and how it looks in a notebook."""

import base64
import io
import json
import re
import time

import numpy as np
import PIL.Image
import pytest

from medfusion.commands import execute
from medfusion.data import Volume, read_volume, write_nifti
from medfusion.data.inspection import inspect
from medfusion.data.inspection_view import Inspection
from medfusion.data.thumbnail import BUDGET, thumbnails
from medfusion.data.volume import Source

BAD = "<script>alert(1)</script>\x1b[31m\u202e"


def plain(facts):
    """Return facts as JSON keeps them; raises where it cannot."""
    return json.loads(json.dumps(facts, allow_nan=False))


def pictures_of(html):
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    return [PIL.Image.open(io.BytesIO(base64.b64decode(one))) for one in found]


def test_a_dicom_folder_is_its_series(shared_data):
    facts = plain(inspect(shared_data / "dicom_mr_pgbm003"))
    assert facts["kind"] == "folder"
    assert facts["kinds"]["dicom"] == 84
    assert [item["description"] for item in facts["series"]] == ["T1post", "FLAIR_reg", "HippoCrop"]
    assert [item["slices"] for item in facts["series"]] == [22, 22, 40]
    assert facts["series"][0]["spacing"] == pytest.approx([0.6875, 0.6875, 6.5])


def test_a_dicom_file_and_what_is_odd_about_a_series(write_stack, tmp_path):
    paths = write_stack(range(9), tilt=(0, 0.2, 0))
    facts = plain(inspect(paths[0]))
    assert facts["kind"] == "dicom"
    assert facts["series"][0]["shape"] == [1, 4, 6]
    assert facts["bytes"] == paths[0].stat().st_size
    paths[4].unlink()
    (tmp_path / "series" / "broken.dcm").write_bytes(paths[0].read_bytes()[:200])
    facts = inspect(tmp_path)
    text = execute(["data", "inspect", str(tmp_path)]).text
    for word in ("tilted", "1 slice is missing", "broken.dcm", "8 x 4 x 6", "3 x 2"):
        assert word in text
    assert facts["kinds"] == {"dicom": 8, "damaged dicom": 1}
    assert facts["damaged_files"] == 1


def test_nothing_names_the_patient(write_stack, tmp_path):
    write_stack(range(3))
    facts = inspect(tmp_path)
    shown = json.dumps(facts) + str(Inspection(facts)._repr_mimebundle_())
    assert "secret" not in shown.lower()


def test_nifti_and_images(tmp_path, shared_data, write_image):
    path = tmp_path / "scan.nii.gz"
    write_nifti(Volume(np.zeros((2, 3, 4), np.int16), np.diag([1.0, 2, 3, 1])), path)
    facts = plain(inspect(path))
    assert (facts["kind"], facts["shape"], facts["dtype"]) == ("nifti", [2, 3, 4], "int16")
    assert facts["spacing"] == [1, 2, 3]
    assert facts["orientation"] == "LPS"
    assert "2 x 3 x 4, int16, 1 x 2 x 3 mm, LPS" in repr(Inspection(facts))
    image = write_image("grey.png", size=(16, 20))
    assert plain(inspect(image))["width"] == 20
    folder = plain(inspect(tmp_path))
    assert folder["kinds"] == {"image": 1, "nifti": 1}
    assert folder["volumes"] == {"2 x 3 x 4, int16, 1 x 2 x 3 mm, LPS": 1}
    text = repr(Inspection(inspect(shared_data / "hippocampus")))
    assert "160 nifti" in text


def test_ten_thousand_files_take_seconds(write_slice, tmp_path):
    source = write_slice("0").read_bytes()
    position = source.index(b"0.0\\0.0\\0.0")
    for k in range(10_000):
        place = f"0\\0\\{k}".ljust(11)[:11].encode()
        content = source[:position] + place + source[position + 11 :]
        (tmp_path / "series" / f"{k}").write_bytes(content)
    start = time.process_time()
    facts = inspect(tmp_path)
    assert time.process_time() - start < 8
    assert facts["kinds"] == {"dicom": 10_000}


def test_every_shared_file_can_be_inspected(shared_data):
    for name in ("dicom_odd", "malformed", "nifti_orient"):
        facts = inspect(shared_data / name)
        plain(facts)
        assert facts["files"] == sum(facts["kinds"].values())
        assert Inspection(facts)._repr_mimebundle_()["text/html"]


# In a notebook ----------------------------------------------------------------------------------


def test_the_magic_shows_it_with_a_thumbnail(shared_data):
    outcome = execute(["data", "inspect", str(shared_data / "dicom_mr_pgbm003")])
    bundle = outcome.shown._repr_mimebundle_()
    assert bundle["text/plain"] == outcome.text
    assert len(pictures_of(bundle["text/html"])) == 3
    assert bundle["text/html"].count("<img alt=") == 3


def test_texts_of_files_are_escaped(write_stack, tmp_path):
    write_stack(range(3), SeriesDescription=BAD, SpecificCharacterSet="ISO_IR 192")
    html = Inspection(inspect(tmp_path))._repr_mimebundle_()["text/html"]
    html += (
        read_volume(tmp_path / "series")
        .replace(units=BAD, source=Source(path=f"/x/{BAD}", notes=(BAD,), format=BAD))
        ._repr_mimebundle_()["text/html"]
    )
    assert "<script>" not in html
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert "\x1b" not in execute(["data", "inspect", str(tmp_path)]).text


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((1, 8, 6), "DHW"),
        ((9, 1, 6), "DHW"),
        ((1, 1, 1), "DHW"),
        ((0, 8, 6), "DHW"),
        ((3, 4, 8, 6), "CDHW"),
        ((2, 4, 8, 6), "CDHW"),
        ((5, 4, 8, 6), "TDHW"),
        ((0, 4, 8, 6), "TDHW"),
        ((2, 3, 1, 8, 6), "TCDHW"),
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_every_shape_shows_itself(shape, axes, dtype):
    volume = Volume(np.ones(shape, dtype), axes=axes)
    html = volume._repr_mimebundle_()["text/html"]
    assert "spacing" in html
    volume.replace(labels=True)._repr_mimebundle_()


def test_values_that_are_no_numbers():
    array = np.full((4, 8, 6), np.nan, np.float32)
    assert "spacing" in Volume(array)._repr_mimebundle_()["text/html"]
    array[0, 0, 0], array[0, 0, 1] = np.inf, -np.inf
    assert "spacing" in Volume(array)._repr_mimebundle_()["text/html"]


def test_pictures_stay_small():
    noise = np.random.default_rng(0).normal(size=(300, 260, 310)).astype(np.float32)
    for volume in (Volume(noise), Volume(np.stack([noise[:20]] * 3), axes="CDHW")):
        assert len(volume._repr_mimebundle_()["text/html"]) < 60_000
        shown, _ = thumbnails(volume)
        assert sum(len(picture.uri()) for picture in shown) < BUDGET * 1.4


@pytest.mark.parametrize("turned", [(2, 1, 0), (0, 2, 1), (1, 0, 2)])
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, -1), (1, -1, -1)])
def test_planes_are_those_of_a_radiologist(turned, signs):
    """However voxels are stored, right is left, the front and the head are on top."""
    x, y, z = np.meshgrid(np.arange(6), np.arange(8), np.arange(10), indexing="ij")  # LPS
    lps = (z + 20.0 * (x == 5) + 40.0 * (y == 7)).astype(np.float32)
    axes = lps.transpose(turned)[tuple(slice(None, None, sign) for sign in signs)]
    affine = np.eye(4)
    affine[:3, :3] = 0
    for voxel, patient in enumerate(turned):
        affine[patient, voxel] = signs[voxel]
    volume = Volume(np.ascontiguousarray(axes.transpose(2, 1, 0)), affine)
    axial, coronal, sagittal = thumbnails(volume, window=(35.0, 70.0))[0]
    assert [p.sides for p in (axial, coronal, sagittal)] == [("R", "A"), ("R", "S"), ("A", "S")]
    assert axial.pixels.shape == (8, 6)
    assert coronal.pixels.shape == (10, 6)
    assert sagittal.pixels.shape == (10, 8)
    assert (axial.pixels[-1, :-1] > axial.pixels[0, :-1]).all()  # the back is below
    assert (axial.pixels[:-1, -1] > axial.pixels[:-1, 0]).all()  # left is right
    assert (np.diff(coronal.pixels[:, 0].astype(int)) < 0).all()  # the head is on top
    assert (sagittal.pixels[:, -1] > sagittal.pixels[:, 0]).all()


def test_pictures_have_the_proportions_of_the_patient():
    volume = Volume(np.zeros((10, 40, 50), np.float32), np.diag([1.0, 1.0, 5.0, 1.0]))
    axial, coronal, sagittal = thumbnails(volume)[0]
    assert axial.width / axial.height == pytest.approx(50 / 40, rel=0.02)
    assert coronal.width / coronal.height == pytest.approx(1, rel=0.02)
    assert sagittal.width / sagittal.height == pytest.approx(40 / 50, rel=0.02)
