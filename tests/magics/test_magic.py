import subprocess
import sys

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell

from medfusion import Experiment
from medfusion.data import png
from medfusion.magics import load_ipython_extension, unload_ipython_extension
from medfusion.runs import RunFolder, process

CELL = """medfusion: 1
name: cell
data:
  table: t.csv
  id: id
  numeric: [age]
  target: {kind: binary, column: y}
  split: {kind: grouped}
"""


@pytest.fixture
def shell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    found = InteractiveShell.instance(colors="nocolor")
    found.history_manager.enabled = False
    load_ipython_extension(found)
    yield found
    unload_ipython_extension(found)
    found.reset(new_session=False)
    found.history_manager.end_session()
    InteractiveShell.clear_instance()


@pytest.fixture
def started(monkeypatch):
    """Paths of the runs that would have been started."""
    paths = []
    monkeypatch.setattr(process, "start", paths.append)
    return paths


def test_a_cell_is_checked_and_kept(shell, capsys):
    result = shell.run_cell("%%medfusion --name trial\n" + CELL)
    assert result.success
    assert result.result is None
    assert shell.user_ns["trial"] == Experiment.from_yaml_text(CELL)
    shown = capsys.readouterr().out
    assert "cell: valid, kept in `trial`" in shown
    assert "y (binary)" in shown
    shell.run_cell("%%medfusion\n" + CELL)
    assert shell.user_ns["experiment"] == shell.user_ns["trial"]


def test_a_mistake_in_a_cell_is_a_message_with_the_line_of_the_cell(shell, capsys):
    shell.user_ns["experiment"] = "old"
    result = shell.run_cell("%%medfusion\n" + CELL + "training: {epochz: 3}\n")
    assert not result.success  # so that Run All stops here
    shown = capsys.readouterr().out
    assert "cell, line 10: training.epochz: unknown key; did you mean 'epochs'?" in shown
    assert "Traceback" not in shown
    assert "magic.py" not in shown
    assert shell.user_ns["experiment"] == "old"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("%medfusion trian x.yaml", "did you mean 'train'?"),
        ("%medfusion train absent.yaml", "absent.yaml: there is no such file"),
        ("%medfusion train", "usage: medfusion train"),
        ("%medfusion stop nowhere", "nowhere: not a run folder"),
        ("%medfusion lab", "this is JupyterLab already"),
        ("%medfusion train 'x", "No closing quotation"),
        ("%%medfusion --nme x\n" + CELL, "unrecognized arguments: --nme"),
        ("%%medfusion --name 1x\n" + CELL, "not a name for a variable"),
        ("%%medfusion --name class\n" + CELL, "not a name for a variable"),
        ("%%medfusion\nname: [", "not valid YAML"),
        ("import medfusion as mf; mf.Run('nowhere')", "not a run folder"),
    ],
)
def test_a_users_mistake_is_a_short_message(shell, capsys, code, message):
    assert not shell.run_cell(code).success
    shown = capsys.readouterr()
    assert message in shown.out + shown.err
    assert "Traceback" not in shown.out + shown.err


def test_a_fault_of_ours_keeps_its_traceback(shell, capsys):
    assert not shell.run_cell("1 / 0").success
    assert "Traceback" in capsys.readouterr().out


def test_training_returns_the_run_at_once(shell, started, tmp_path):
    (tmp_path / "e.yaml").write_text(CELL)
    result = shell.run_cell("run = %medfusion train e.yaml --set training.epochs=2")
    assert result.success
    run = shell.user_ns["run"]
    assert isinstance(run, RunFolder)
    assert run.experiment.training.epochs == 2
    assert started == [run.path]


def test_a_cell_with_train_returns_its_run(shell, started):
    result = shell.run_cell("%%medfusion --train --runs elsewhere\n" + CELL)
    assert result.success
    assert result.result.path.parent.name == "elsewhere"
    assert started == [result.result.path]
    assert shell.user_ns["experiment"].name == "cell"


def test_help_and_lists_are_text_and_json_is_a_value(shell, capsys):
    shell.run_cell("%medfusion")
    assert "usage: medfusion" in capsys.readouterr().out
    shell.run_cell("%medfusion train --help")
    assert "usage: medfusion train" in capsys.readouterr().out
    shell.run_cell("%medfusion demo --help")
    assert "usage: medfusion demo" in capsys.readouterr().out
    result = shell.run_cell("found = %medfusion runs --json")
    assert result.success
    assert isinstance(shell.user_ns["found"], dict)


def test_the_documentation_shows_examples(shell):
    assert "%medfusion train skin.yaml" in shell.find_line_magic("medfusion").__doc__


def test_unloading_takes_everything_back(shell):
    before = len(shell.Completer.custom_matchers)
    load_ipython_extension(shell)  # a second load adds nothing
    assert len(shell.Completer.custom_matchers) == before
    unload_ipython_extension(shell)
    assert len(shell.Completer.custom_matchers) == before - 1
    assert shell.find_line_magic("medfusion") is None
    assert shell.find_cell_magic("medfusion") is None
    unload_ipython_extension(shell)
    load_ipython_extension(shell)


def test_completion_stays_out_of_other_cells(shell):
    from IPython.core.completer import provisionalcompleter

    with provisionalcompleter():
        texts = {found.text for found in shell.Completer.completions("%medfusion val", 14)}
        assert texts == {"validate"}
        assert not [
            found for found in shell.Completer.completions("val", 3) if found.type == "medfusion"
        ]


def test_loading_imports_no_torch():
    code = (
        "from IPython.core.interactiveshell import InteractiveShell; import sys\n"
        "shell = InteractiveShell(); shell.history_manager.enabled = False\n"
        "shell.run_line_magic('load_ext', 'medfusion')\n"
        "print([m for m in ('torch', 'pandas', 'sklearn', 'ipywidgets') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.usefixtures("write_png")
def test_data_inspect_shows_a_picture(shell):
    result = shell.run_cell("found = %medfusion data inspect grey.png\nfound")
    bundle = result.result._repr_mimebundle_()
    assert 'src="data:image/png;base64,' in bundle["text/html"]
    assert "8x9 pixels" in bundle["text/plain"]


@pytest.fixture
def write_png(tmp_path):
    (tmp_path / "grey.png").write_bytes(png.encode(np.zeros((8, 9), np.uint8)))


def test_build_opens_the_forms_and_a_terminal_says_where_they_are(shell, tmp_path, monkeypatch):
    from medfusion.commands import execute
    from medfusion.errors import InputError
    from medfusion.widgets import assets

    monkeypatch.setattr(assets, "read", lambda name: f"/* {name} */")
    monkeypatch.chdir(tmp_path)
    found = shell.run_line_magic("medfusion", "build")
    assert type(found).__name__ == "Builder"
    with pytest.raises(InputError, match="there is no such file"):
        shell.run_line_magic("medfusion", "build none.yaml")
    with pytest.raises(InputError, match=r"medfusion lab.*%medfusion build skin.yaml"):
        execute(["build", "skin.yaml"])


def test_browse_opens_the_data_browser_and_a_terminal_says_where_it_is(
    shell, tmp_path, monkeypatch
):
    from medfusion.commands import execute
    from medfusion.errors import InputError
    from medfusion.widgets import assets, plotly_library

    monkeypatch.setattr(assets, "read", lambda name: f"/* {name} */")
    monkeypatch.setattr(plotly_library, "shared", lambda: None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "skin.csv").write_text(
        "id,age,died\n" + "".join(f"P{n},{n % 9},{n % 2}\n" for n in range(30))
    )
    found = shell.run_line_magic("medfusion", "browse skin.csv")
    assert found.draft.get(("data", "target")) == {"kind": "binary", "column": "died"}
    with pytest.raises(InputError, match=r"medfusion lab.*%medfusion browse skin.csv"):
        execute(["browse", "skin.csv"])


def test_review_opens_the_panel_and_decides_by_words(shell, tmp_path, monkeypatch):
    from medfusion.runs import Status
    from medfusion.widgets import assets, label_review

    monkeypatch.setattr(assets, "read", lambda name: f"/* {name} */")
    (tmp_path / "t.csv").write_text("id,age,y\np1,40,0\np2,50,1\np3,60,1\n")
    run = RunFolder.create(Experiment.from_yaml_text(CELL), tmp_path / "runs")
    rows = ["p1,train,0,0.9,0.1", "p2,test,1,0.2,0.8", "p3,val,1,0.3,0.7"]
    text = "\n".join(["id,split,target,prob_0,prob_1", *rows]) + "\n"
    (run.path / "predictions.csv").write_text(text)
    Status(state="finished").write(run.path)
    panel = shell.run_line_magic("medfusion", f"review {run.path} --who li")
    assert isinstance(panel, label_review.LabelReview)
    found = shell.run_line_magic("medfusion", f"review {run.path} --exclude p3 --json")
    assert found["done"] == ["p3: excluded"]
    assert panel.review.refresh()
    assert [one.id for one in panel.review.decisions.done] == ["p3"]
    assert shell.run_line_magic("medfusion", "review --help") is None


def test_runs_and_comparisons_are_panels(judged_run, tmp_path, monkeypatch):
    from medfusion.magics.magic import _line
    from medfusion.widgets import assets
    from medfusion.widgets.comparison import ComparisonPanel
    from medfusion.widgets.runs_table import RunsTable

    monkeypatch.setattr(assets, "read", lambda name: f"/* {name} */")
    monkeypatch.chdir(tmp_path)
    one, two = (judged_run("runs", name) for name in ("one", "two"))
    table = _line(["runs", "--runs", "runs"])
    assert isinstance(table, RunsTable)
    table.close()
    found = _line(["compare", str(one.path), str(two.path), "--split", "val"])
    assert isinstance(found, ComparisonPanel)
    assert found.state["comparison"]["split"] == "val"
    assert _line(["runs", "--json"])["runs"][0]["name"] in (one.name, two.name)
    assert _line(["runs", one.name, "--tag", "best"]) is None
