"""The project keeps its own rules: pages up to date, files small and well named, wheels whole."""

import importlib.util
import os
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def tracked(*patterns):
    done = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / line for line in done.stdout.splitlines() if (ROOT / line).is_file()]


def test_generated_pages_are_up_to_date():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for path, content in generate.pages().items():
        assert path.read_text("utf-8") == content, f"{path.name}: run python docs/generate.py"


def test_links_in_the_docs_lead_somewhere():
    for page in tracked("*.md"):
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8")):
            if not re.match(r"[a-z]+:", target):
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}"


def test_no_file_outgrows_its_name():
    for path in tracked("*.py", "*.rs", "*.ts"):
        assert len(path.read_text("utf-8").splitlines()) <= 600, path.relative_to(ROOT)
        assert path.stem not in {
            "utils",
            "util",
            "helpers",
            "common",
            "shared",
            "manager",
            "core",
            "misc",
        }, path


def test_there_is_no_pickle():
    banned = re.compile(
        r"\b(import pickle|joblib|dill|cloudpickle|torch\.load\(|yaml\.load\(|np\.load\()"
    )
    for path in tracked("medfusion/*.py", "medfusion/**/*.py"):
        assert not banned.search(path.read_text("utf-8")), path.relative_to(ROOT)


def test_pins_name_no_address():
    for path in tracked(".ci/constraints.txt", "*lock*"):
        assert not re.search(
            r"https?://(?!github\.com/rust-lang/crates\.io-index)", path.read_text("utf-8")
        ), path


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_wheel_carries_everything(tmp_path):
    """git-ignored bundles are silently left out of a wheel unless maturin is told."""
    subprocess.run(
        ["maturin", "build", "--release", "--quiet", "--out", tmp_path],
        cwd=ROOT, check=True, env={**os.environ, "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"},
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {str(p.relative_to(ROOT)) for p in tracked("medfusion")}
    built = {str(p.relative_to(ROOT)) for p in ROOT.glob("medfusion/*/static/*.js")}
    assert {Path(name).name for name in built} >= {"run_panel.js", "plotly-basic.min.js"}
    assert package | built <= names, sorted((package | built) - names)
    assert any(name.startswith("medfusion/_rust") and name.endswith(".so") for name in names)
    assert not any(name.startswith(("tests/", "docs/", "rust/")) for name in names)
