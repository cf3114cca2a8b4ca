"""Real JupyterLab in a real browser: one server and one browser a session, no network."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent.parent
PLAYED = Path(__file__).parent / "played_run.py"
IDLE = "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
ASK = """async (code) => {
  const {kernel} = jupyterapp.shell.currentWidget.sessionContext.session;
  let text = '';
  const future = kernel.requestExecute({code, store_history: false});
  future.onIOPub = (message) => {
    text += message.content.text ?? '';
    if (message.header.msg_type === 'error') text += message.content.evalue;
  };
  await future.done;
  return text;
}"""
# Three lines or more that are narrower than a word.
SQUEEZED = """() => [...document.querySelectorAll('.mf-name, .mf-help')].filter((one) => {
  if (!one.checkVisibility()) return false;
  const text = document.createRange();
  text.selectNodeContents(one);
  const {width, height} = text.getBoundingClientRect();
  return width < 60 && height > 42;
}).map((one) => one.textContent)"""


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.ui)


@pytest.fixture(scope="session")
def work(tmp_path_factory):
    """The folder that JupyterLab shows."""
    return tmp_path_factory.mktemp("lab")


@contextlib.contextmanager
def jupyter(private, work, *words, base="/", program="jupyterlab"):
    """Serve a folder from a home of its own, and yield its address."""
    # Nobody is asked about news, which would lie over the notebook.
    quiet = private / "settings" / "@jupyterlab" / "apputils-extension"
    quiet.mkdir(parents=True)
    (quiet / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folders = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "IPYTHONDIR": "ipython",
               "JUPYTER_RUNTIME_DIR": "runtime", "JUPYTERLAB_SETTINGS_DIR": "settings",
               "JUPYTERLAB_WORKSPACES_DIR": "workspaces"}  # fmt: skip
    environment = os.environ | {name: str(private / at) for name, at in folders.items()}
    environment |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "default"}
    log = (private / "log.txt").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", program, *words, "--no-browser", f"--port={port}"],
        env=environment, cwd=work, stdout=log, stderr=subprocess.STDOUT,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}{base.rstrip('/')}"
    for _ in range(300):
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                break
        except OSError:
            assert process.poll() is None, (private / "log.txt").read_text()
            time.sleep(0.2)
    yield url
    process.terminate()
    process.wait(30)
    log.close()


def lab_words(work, base="/"):
    """Return JupyterLab's options: nobody is asked for a password, and pages can reach the app."""
    return [
        "--ip=127.0.0.1", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={work}",
        "--IdentityProvider.token=", "--ServerApp.password=", f"--ServerApp.base_url={base}",
        "--LabApp.expose_app_in_browser=True", "--allow-root",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip


@pytest.fixture(scope="session")
def server(work, tmp_path_factory):
    with jupyter(tmp_path_factory.mktemp("jupyter"), work, *lab_words(work)) as url:
        yield url


class Lab:
    """A JupyterLab page with a notebook, a kernel that answers, and a record of what it blocked."""

    def __init__(self, browser, url, work):
        self.url, self.work = url, work
        self.blocked, self.dialogs, self.problems = [], [], []
        self.page = browser.new_page(viewport={"width": 1360, "height": 1000})
        self.page.route("**/*", self._guard)
        self.page.on("dialog", self._dialog)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))

    def _guard(self, route):
        if route.request.url.startswith((self.url, "data:", "blob:")):
            route.continue_()
        else:
            self.blocked.append(route.request.url)
            route.abort()

    def _dialog(self, dialog):
        if dialog.type == "beforeunload":  # JupyterLab's own, about unsaved changes
            dialog.accept()
            return
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def open(self, name, *cells):
        """Open a notebook, made of these cells where any are given, and wait for its kernel."""
        if cells:
            made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
            made.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
            nbformat.write(made, self.work / name)
        self.page.goto(f"{self.url}/lab/workspaces/{Path(name).stem}/tree/{name}?reset")
        self.wait_idle()
        self.command("application:toggle-left-area")

    def reopen(self, name):
        """Save the notebook, end its kernel and open it again, as on another day."""
        self.page.evaluate("""async () => {
            const {context, sessionContext} = jupyterapp.shell.currentWidget;
            await context.save();
            await sessionContext.shutdown();
            return 1;
        }""")
        self.page.goto(f"{self.url}/lab/workspaces/again-{Path(name).stem}/tree/{name}?reset")
        self.page.wait_for_selector(".jp-Notebook .jp-Cell")

    def wait_idle(self):
        self.page.wait_for_function(IDLE, timeout=60_000)

    def command(self, command, **arguments):
        """Start a command of JupyterLab without waiting for its end."""
        start = "([c, a]) => { jupyterapp.commands.execute(c, a); return 1; }"
        self.page.evaluate(start, [command, arguments])

    def run_all(self):
        self.command("notebook:run-all-cells")

    def run_cell(self, index):
        """Run one cell, counted from 0."""
        select = "(i) => { jupyterapp.shell.currentWidget.content.activeCellIndex = i; return 1; }"
        self.page.evaluate(select, index)
        self.command("notebook:run-cell")

    def kernel(self, code):
        """Return what the kernel prints for code."""
        return self.page.evaluate(ASK, code).strip()

    def complete(self, code, at=None):
        """Return the kernel's completions."""
        ask = """([code, cursor_pos]) => jupyterapp.shell.currentWidget.sessionContext.session
            .kernel.requestComplete({code, cursor_pos}).then(r => r.content.matches)"""
        return self.page.evaluate(ask, [code, len(code) if at is None else at])

    def theme(self, name):
        self.command("apputils:change-theme", theme=name)
        light = "false" if "Dark" in name else "true"
        self.page.wait_for_selector(f"body[data-jp-theme-light='{light}']", state="attached")
        self.page.wait_for_timeout(1800)

    def points(self, chart=0):
        """Return how many points each line of a chart has."""
        read = (
            "i => Array.from(document.querySelectorAll('.mf-plot')[i].data ?? [], t => t.x.length)"
        )
        return self.page.evaluate(read, chart)

    def wait_points(self, count, chart=0, timeout=20_000):
        wait = (
            "([i, n]) => (document.querySelectorAll('.mf-plot')[i]?.data?.[0]?.x?.length ?? 0) >= n"
        )
        self.page.wait_for_function(wait, arg=[chart, count], timeout=timeout)

    def wait_state(self, word, timeout=30_000):
        self.page.locator(".mf-badge", has_text=word).first.wait_for(timeout=timeout)

    def picture(self, name):
        """Save a screenshot down to the panel's end; no name or help text is squeezed."""
        folder = os.environ.get("MEDFUSION_SCREENSHOTS")
        target = Path(folder) if folder else self.work / "screenshots"
        target.mkdir(parents=True, exist_ok=True)
        shown = self.page.locator(".mf-panel, .mf-still").first
        shown.scroll_into_view_if_needed()
        self.page.mouse.move(700, 5)
        self.page.wait_for_timeout(400)
        box = shown.bounding_box()
        size = self.page.viewport_size
        bottom = min(size["height"], box["y"] + box["height"] + 24)
        clip = {"x": 0, "y": 0, "width": size["width"], "height": bottom}
        self.page.screenshot(path=target / f"{name}.png", clip=clip)
        assert self.page.evaluate(SQUEEZED) == []

    def close(self):
        self.page.evaluate(
            "() => jupyterapp.serviceManager.sessions.shutdownAll().then(() => 1, () => 1)"
        )
        self.page.close()


@pytest.fixture
def lab(browser, server, work):
    found = Lab(browser, server, work)
    yield found
    found.close()
    assert found.blocked == []
    assert found.dialogs == []
    assert found.problems == []


@pytest.fixture
def played(work):
    """Make the folder of a run that is played rather than trained, and return its path."""

    def make(name):
        done = subprocess.run(
            [sys.executable, PLAYED, "make", work, name],
            env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, capture_output=True, text=True,
        )  # fmt: skip
        return Path(done.stdout.strip())

    return make


@pytest.fixture
def play():
    """Play a run in a process of its own; it is ended with the test."""
    started = []

    def start(*words):
        process = subprocess.Popen(
            [sys.executable, PLAYED, *map(str, words)],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def quoted():
    """Return text as a Python literal for a cell."""
    return lambda path: json.dumps(str(path))
