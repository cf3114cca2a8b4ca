"""Paths in a table stay inside the data root, whatever they say."""

import os

import pytest

from medfusion.data.paths import regular_file, resolve
from medfusion.errors import DataRootError


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "data"
    (root / "images").mkdir(parents=True)
    (root / "images" / "a.png").write_bytes(b"x")
    (tmp_path / "secret.png").write_bytes(b"x")
    (root / "images" / "inside.png").symlink_to(root / "images" / "a.png")
    (root / "images" / "outside.png").symlink_to(tmp_path / "secret.png")
    (root / "up").symlink_to(tmp_path)
    (root / "loop").symlink_to(root / "loop")
    return root


def where(row):
    return f"line {row + 2}"


@pytest.mark.parametrize(
    "cell",
    [
        "images/a.png",
        "images\\a.png",
        "./images//a.png",
        "images/../images/a.png",
        "images/inside.png",
    ],
)
def test_inside(root, cell):
    assert resolve([cell, None], root, "path", where) == [str(root / "images" / "a.png"), None]


def test_absolute_paths_inside_and_files_that_do_not_exist(root):
    cells = [str(root / "images" / "a.png"), "images/later.png"]
    assert resolve(cells, root, "path", where) == [cells[0], str(root / "images" / "later.png")]


@pytest.mark.parametrize(
    "cell",
    [
        "../secret.png",
        "..\\secret.png",
        "images/../../secret.png",
        "images/outside.png",
        "up/secret.png",
        "/etc/passwd",
        "C:\\data\\a.png",
        "\\\\server\\share\\a.png",
        "http://example.org/a.png",
        "HTTPS://example.org/a.png",
        "file:///etc/passwd",
        "file:a.png",
        "data:image/png;base64,AAAA",
        "s3://bucket/a.png",
        "a\0.png",
        "..",
        "images/../..",
    ],
)
def test_outside(root, cell):
    with pytest.raises(DataRootError, match="line 3") as error:
        resolve(["images/a.png", cell], root, "path", where)
    assert "'path'" in str(error.value)


def test_a_neighbour_with_the_same_beginning_is_outside(root):
    (root.parent / "data2").mkdir()
    with pytest.raises(DataRootError):
        resolve(["../data2/a.png"], root, "path", where)


def test_a_root_that_is_a_link_itself(root, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(root)
    assert (
        resolve(["images/a.png", str(link / "images" / "a.png")], link, "p", where)
        == [str(root / "images" / "a.png")] * 2
    )


def test_many_are_listed_with_a_count(root):
    with pytest.raises(DataRootError, match="and 15 more"):
        resolve(["../x"] * 20, root, "path", where)


def test_what_is_no_file(root):
    os.mkfifo(root / "pipe")
    assert regular_file(str(root / "images" / "a.png")) is None
    assert regular_file(str(root / "images")) == "is no file"
    assert regular_file(str(root / "pipe")) == "is no file"
    assert regular_file(str(root / "none")) == "there is no such file"
    assert "cannot be opened" in regular_file(str(root / "loop"))
