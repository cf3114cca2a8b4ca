"""Panels on other pages than a local JupyterLab: under a Hub's address, and in Voila."""

import nbformat
import pytest

from tests.ui.conftest import Lab, jupyter, lab_words

HUB = "/user/jane%40clinic.org/"
CODE = "import medfusion as mf\nbuilder = mf.Builder(name={name!r})\nbuilder"
# Voila's own page asks for icons that nothing here needs.
ICONS = "fontawesome"


@pytest.fixture
def hub(browser, work, tmp_path_factory):
    private = tmp_path_factory.mktemp("hub")
    with jupyter(private, work, *lab_words(work, HUB), base=HUB) as url:
        lab = Lab(browser, url, work)
        yield lab
        lab.close()
    assert lab.blocked == []
    assert lab.problems == []


def test_under_a_hubs_address(hub, played):
    run = played("hub")
    hub.open("hub.ipynb", CODE.format(name="hub"), f"mf.Run({str(run)!r})")
    hub.run_all()
    hub.page.get_by_text("All settings of the data").click()
    field = hub.page.locator('[data-path="data.table"] input').first
    field.fill("skin.csv")
    hub.page.get_by_text("table: skin.csv").wait_for()
    assert hub.kernel("print(builder.draft.get(('data', 'table')))") == "skin.csv"
    hub.page.get_by_role("button", name="Insert cell below").first.click()
    hub.page.get_by_text("Inserted as a new cell below.").wait_for()
    hub.page.locator(".mf-badge").first.wait_for()


def test_in_voila(browser, work, tmp_path_factory):
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CODE.format(name="voila"))])
    book.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, work / "voila.ipynb")
    words = ["voila.ipynb", "--Voila.ip=127.0.0.1", f"--base_url={HUB}"]
    private = tmp_path_factory.mktemp("voila")
    with jupyter(private, work, *words, base=HUB, program="voila") as url:
        lab = Lab(browser, url, work)
        lab.page.goto(f"{url}/")
        lab.page.get_by_text("All settings of the data").click()
        field = lab.page.locator('[data-path="data.table"] input').first
        field.fill("skin.csv")
        lab.page.get_by_text("table: skin.csv").wait_for()
        lab.page.get_by_role("tab", name="Review").click()
        lab.page.get_by_role("button", name="Undo").click()
        lab.page.locator(".mf-builder button:disabled", has_text="Undo").wait_for()
        assert field.input_value() == ""
        lab.page.close()
    assert [url for url in lab.blocked if ICONS not in url] == []
    assert lab.problems == []
