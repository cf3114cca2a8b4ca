"""The data browser in a real JupyterLab: a table understood, looked through and mended by clicks."""

import json
import os
import shutil
from pathlib import Path

DATA = Path(os.environ.get("MEDFUSION_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
SHOW = "import medfusion as mf\nbrowser = mf.DataBrowser(name={name!r}, folder={folder!r})\nbrowser"


def opened(lab, name, folder):
    lab.open(f"{name}.ipynb", SHOW.format(name=name, folder=str(folder)))
    lab.run_all()
    lab.page.locator(".mf-table-choice option").nth(1).wait_for(state="attached")


def test_look(lab, work):
    folder = work / "ham"
    shutil.copytree("/work/shared/data/skin_ham", folder)
    opened(lab, "skin", folder)
    lab.page.locator(".mf-table-choice > select").select_option("metadata.csv")
    lab.page.locator(".mf-roles-line").nth(3).wait_for()
    lab.picture("data_columns")
    for name in ("Images", "Rows", "Distributions", "Missing values", "Checks", "Settings"):
        lab.page.get_by_role("tab", name=name, exact=True).click()
        lab.page.wait_for_timeout(6000 if name == "Checks" else 2000)
        lab.picture("data_" + name.split()[0].lower())
    lab.page.get_by_role("tab", name="Images", exact=True).click()
    lab.page.locator(".mf-tile img").nth(3).click()
    lab.page.wait_for_timeout(1500)
    lab.picture("data_subject")
    print(json.dumps(lab.problems))
