"""The workflow editor in a real JupyterLab: drawn by mouse, run, broken, mended, exported, imported."""

import json

import pytest

from medfusion.workflow import Workflow

SHOW = (
    "import medfusion as mf\neditor = mf.WorkflowEditor(name={name!r}, folder={folder!r})\neditor"
)
KINDS = ("data", "split", "model", "training", "evaluation", "report")
EDGES = [
    ("data", "data", "split", "data"),
    ("split", "cohort", "training", "cohort"),
    ("model", "model", "training", "model"),
    ("training", "run", "evaluation", "run"),
    ("evaluation", "results", "report", "results"),
]


def opened(lab, work, name):
    folder = work / name
    folder.mkdir()
    lab.open(f"{name}.ipynb", SHOW.format(name=name, folder=name))
    lab.run_all()
    lab.page.locator(".mf-workflow .mf-wf-palette button").first.wait_for()
    return folder


def drag(lab, start, end):
    """Drag with the mouse from one place of the page to another."""
    lab.page.mouse.move(*start)
    lab.page.mouse.down()
    lab.page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, steps=4)
    lab.page.mouse.move(*end, steps=4)
    lab.page.mouse.up()


def centre(locator):
    box = locator.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def handle(lab, node, port, side):
    return lab.page.locator(f'[data-node="{node}"] .mf-wf-port-{side} [data-handleid="{port}"]')


def join(lab, edge):
    source, output, target, into = edge
    drag(
        lab,
        centre(handle(lab, source, output, "out")),
        centre(handle(lab, target, into, "in")),
    )
    wait = f"{source}.{output}"
    lab.page.locator(f'[aria-label^="{wait} to {target}.{into}"]').first.wait_for(state="attached")


def ask(lab, code):
    return json.loads(lab.kernel(f"import json; print(json.dumps({code}))"))


def select(lab, node):
    lab.page.locator(f'[data-node="{node}"] .mf-wf-name').click()
    lab.page.locator(".mf-wf-side #mf-wf-label").wait_for()


def field(lab, path):
    row = lab.page.locator(f'.mf-wf-side [data-path="{path}"]').first
    return row.locator("input, select").first


def wait_states(lab, wanted, timeout=90_000):
    for node, state in wanted.items():
        mark = lab.page.locator(f'[data-node="{node}"] .mf-wf-state.mf-wf-{state}')
        mark.wait_for(timeout=timeout)


@pytest.mark.timeout(300)  # four passes of the work, each a process of its own
def test_drawn_by_mouse_run_broken_mended_exported_and_imported(lab, work):
    folder = opened(lab, work, "drawing")
    lab.kernel(
        "from medfusion.data.phantom import write_phantom; "
        f"write_phantom({str(folder / 'phantom')!r}, subjects=90, size=32)"
    )
    canvas = lab.page.locator(".mf-wf-canvas")
    button = lab.page.locator(".mf-wf-palette").get_by_role("button", name="Data", exact=True)
    button.drag_to(canvas, target_position={"x": 110, "y": 60})
    lab.page.locator('[data-node="data"]').wait_for()
    for kind in KINDS[1:]:  # the others by keyboard
        name = kind.capitalize()
        palette = lab.page.locator(".mf-wf-palette").get_by_role("button", name=name, exact=True)
        palette.press("Enter")
        lab.page.locator(f'[data-node="{kind}"]').wait_for(state="attached")
    lab.page.get_by_role("button", name="Arrange").click()
    lab.page.wait_for_timeout(500)
    for edge in EDGES:
        join(lab, edge)
    assert ask(lab, "sorted(e.source for e in editor.workflow.edges)") == sorted(
        f"{source}.{output}" for source, output, _, _ in EDGES
    )
    # What does not fit cannot be joined.
    drag(
        lab,
        centre(handle(lab, "data", "data", "out")),
        centre(handle(lab, "report", "results", "in")),
    )
    assert ask(lab, "len(editor.workflow.edges)") == len(EDGES)
    lab.page.get_by_role("button", name="Arrange").click()
    lab.page.wait_for_timeout(500)

    run = lab.page.locator(".mf-workflow header").get_by_role("button", name="Run")
    assert run.is_disabled()
    select(lab, "data")
    field(lab, "data.table").fill("phantom/table.csv")
    field(lab, "data.id").fill("id")
    field(lab, "data.numeric").fill("age, marker")
    field(lab, "data.target").select_option("binary")
    field(lab, "data.target.column").fill("malignant")
    select(lab, "split")
    field(lab, "data.split").select_option("column")
    field(lab, "data.split.column").fill("split")
    select(lab, "training")
    field(lab, "training.epochs").fill("2")
    lab.page.locator(".mf-workflow").get_by_text("Ready to run").wait_for()
    assert ask(lab, "editor.workflow.problems") == []
    lab.picture("workflow_ready_light")
    run.click()
    wait_states(lab, dict.fromkeys(KINDS, "done"))
    run.wait_for()  # in place of Stop
    assert ask(lab, "editor.work.status.state") == "finished"
    lab.picture("workflow_done_light")

    # Broken: an edge is taken out, the port says so, and nothing can be run.
    lab.page.locator('[aria-label="model.model to training.model"]').first.focus()
    lab.page.keyboard.press("Enter")
    lab.page.keyboard.press("Delete")
    told = lab.page.locator('[data-node="training"] [role="alert"]')
    told.get_by_text("model: is missing: join it to a model node").wait_for()
    assert run.is_disabled()
    lab.picture("workflow_broken_light")
    # Mended without a mouse: the input's own list.
    select(lab, "training")
    lab.page.locator(".mf-wf-side fieldset").get_by_label("model").select_option("model.model")
    lab.page.locator(".mf-workflow").get_by_text("Ready to run").wait_for()
    # Broken by a column that is not there: the work says so at its node, and goes on when mended.
    select(lab, "data")
    field(lab, "data.numeric").fill("age, weight")
    field(lab, "data.numeric").press("Tab")
    lab.page.wait_for_timeout(300)
    run.click()
    wait_states(lab, {"data": "failed", "training": "blocked"})
    run.wait_for()
    assert "weight" in lab.page.locator('[data-node="data"] .mf-wf-said').text_content()
    lab.theme("JupyterLab Dark")
    lab.picture("workflow_failed_dark")
    lab.theme("JupyterLab Light")
    lab.page.get_by_role("button", name="Undo").click()
    lab.page.wait_for_timeout(300)
    run.click()
    wait_states(lab, {"training": "unchanged", "report": "unchanged"})

    lab.page.get_by_role("button", name="Export").click()
    lab.page.locator(".mf-workflow .mf-notice", has_text="Exported").wait_for()
    [file] = folder.glob("[!.]*.medfusion")
    exported = Workflow.read(file)
    assert str(folder) not in file.read_text()
    found = lab.kernel("print(editor.workflow.hash)")
    assert exported.hash == found
    # Emptied, and taken in again.
    select(lab, "model")
    lab.page.locator('[data-node="model"]').click()
    lab.page.keyboard.press("Delete")
    lab.page.locator('[data-node="model"]').wait_for(state="detached")
    assert lab.kernel("print(editor.workflow.hash)") != found
    lab.page.locator('.mf-workflow input[type="file"]').set_input_files(file)
    lab.page.locator('[data-node="model"]').wait_for()
    assert lab.kernel("print(editor.workflow.hash)") == found

    # Another day: the graph, the steps back and what came out are there again.
    lab.reopen("drawing.ipynb")
    lab.wait_idle()
    lab.run_all()
    wait_states(lab, {"training": "unchanged"})
    assert lab.kernel("print(editor.workflow.hash)") == found
    lab.page.get_by_role("button", name="Undo").click()
    lab.page.locator('[data-node="model"]').wait_for(state="detached")


def test_a_template_is_shown_whole_in_both_themes(lab, work):
    opened(lab, work, "template")
    lab.page.get_by_label("Template …").select_option("skin-lesion")
    lab.page.locator('[data-node="compare"]').wait_for()
    lab.page.locator(".mf-workflow").get_by_text("Ready to run").wait_for()
    lab.page.wait_for_timeout(600)
    box = lab.page.locator(".mf-wf-canvas").bounding_box()
    for node in lab.page.locator(".mf-wf-node").all():
        place = node.bounding_box()
        assert box["x"] <= place["x"]
        assert place["x"] + place["width"] <= box["x"] + box["width"]
    select(lab, "preprocessing")
    assert field(lab, "data.images.photo.size").input_value() == "32, 32"
    lab.picture("workflow_template_light")
    lab.theme("JupyterLab Dark")
    lab.picture("workflow_template_dark")
    lab.theme("JupyterLab Light")
    lab.page.set_viewport_size({"width": 640, "height": 1300})
    lab.page.wait_for_timeout(500)
    lab.picture("workflow_narrow")
