"""A draft outlives its process; a damaged file is put aside and nothing is overwritten."""

import pytest

from medfusion.errors import SpecError
from medfusion.spec import Draft
from medfusion.widgets.draft_file import DraftFile


def test_what_was_said_and_its_steps_come_back(tmp_path):
    file = DraftFile("skin", tmp_path)
    assert file.load() is None
    draft = Draft(folder=tmp_path)
    draft.set(("name",), "skin")
    draft.set(("data", "table"), "t.csv")
    draft.undo()
    file.save(draft)
    again = DraftFile("skin", tmp_path).load()
    assert again.document == draft.document
    assert again.steps == (1, 1)
    assert again.folder == tmp_path
    assert again.redo()
    assert again.get(("data", "table")) == "t.csv"
    file.forget()
    file.forget()
    assert file.load() is None


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b'{"document": 3}', b"\xff\xfe", b"[" * 5000]
)
def test_a_damaged_file_is_put_aside(tmp_path, content):
    file = DraftFile("skin", tmp_path)
    file.path.parent.mkdir(parents=True)
    file.path.write_bytes(content)
    assert file.load() is None
    assert not file.path.exists()
    assert file.path.with_suffix(".damaged.json").read_bytes() == content


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a\\b", ".hidden", "x" * 101, "a\0", "c:x"])
def test_names_that_leave_the_folder_are_refused(tmp_path, name):
    with pytest.raises(SpecError, match="cannot name a draft"):
        DraftFile(name, tmp_path)
