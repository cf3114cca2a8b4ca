"""What leaves this machine names no place on it and no patient."""

import json

import pytest

from medfusion.errors import InputError
from medfusion.workflow import Workflow
from medfusion.workflow.sharing import require_portable


def workflow(folder, table="t.csv", node="data", **other):
    data = {"table": table, "id": "id", "group": "patient", **other}
    document = {"workflow": 1, "nodes": {node: {"kind": "data", "settings": {"data": data}}}}
    return Workflow.from_mapping(document, folder=folder)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "t.csv").write_text("id,patient,age\nS001,P-0042,3\nS002,P-0043,4\n")
    return tmp_path


def shared(made, path):
    notes = made.save(path)
    plain = json.loads(path.read_text())
    return plain["nodes"]["data"]["settings"]["data"], notes


def test_paths_below_the_file_are_written_from_there(folder):
    found, notes = shared(
        workflow(folder, str(folder / "t.csv"), root=str(folder / "images")), folder / "a.medfusion"
    )
    assert (found["table"], found["root"], notes) == ("t.csv", "images", ())


@pytest.mark.parametrize(
    "table", ["/data/hospital/t.csv", "../up/t.csv", r"C:\data\t.csv", "~/t.csv"]
)
def test_of_other_files_only_the_name_is_kept_and_it_is_said(folder, table):
    found, notes = shared(workflow(folder, table, root="/data"), folder / "a.medfusion")
    assert found["table"] == "t.csv"
    assert "root" not in found
    assert len(notes) == 2
    assert "only the name t.csv is kept" in notes[0]
    assert str(folder) not in (folder / "a.medfusion").read_text()


@pytest.mark.parametrize("said", ["P-0042", "as in S001, see there"])
def test_a_patient_of_the_table_is_refused_without_being_repeated(folder, said):
    made = Workflow.from_mapping(
        workflow(folder).model_dump() | {"description": said}, folder=folder
    )
    with pytest.raises(InputError, match="description names a patient") as caught:
        made.save(folder / "a.medfusion")
    assert said not in str(caught.value)
    assert not (folder / "a.medfusion").exists()
    with pytest.raises(InputError, match="names a patient"):
        workflow(folder, node="P-0042").save(folder / "a.medfusion")


def test_a_place_on_this_machine_in_a_text_is_refused(folder):
    made = Workflow.from_mapping(
        workflow(folder).model_dump() | {"description": "copied from /home/somebody/data"},
        folder=folder,
    )
    with pytest.raises(InputError, match="names a place on this machine"):
        made.save(folder / "a.medfusion")


def test_a_file_from_elsewhere_may_not_name_places(folder):
    require_portable(workflow(folder), "a.medfusion")
    with pytest.raises(InputError, match="absolute path"):
        require_portable(workflow(folder, "/etc/passwd"), "a.medfusion")


def test_other_endings_are_refused(folder):
    with pytest.raises(InputError, match=r"\.medfusion file"):
        workflow(folder).save(folder / "a.json")
