"""Every example in docstrings, README and docs runs."""

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import placezoo
from placezoo.envs.registration import PROBLEMS, problem_parameters

ROOT = Path(__file__).parents[1]
MODULES = [
    name for _, name, _ in pkgutil.walk_packages(placezoo.__path__, "placezoo.") if not name.endswith("__main__")
]


@pytest.mark.parametrize("name", ["placezoo", *MODULES])
def test_docstrings(name):
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


def test_some_docstrings_have_examples():
    found = [name for name in MODULES if doctest.DocTestFinder().find(importlib.import_module(name))]
    assert len(found) > 20


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SLOW_PAGES = ("rllib.md",)  # starts Ray


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=pytest.mark.slow if page.name in SLOW_PAGES else (), id=page.name) for page in PAGES],
)
def test_python_blocks(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL):
        exec(compile(block, str(page), "exec"), names)


@pytest.mark.parametrize(
    "page",
    [*PAGES, ROOT / "CONTRIBUTING.md"],
    ids=lambda page: page.name,
)
def test_links_and_pictures_exist(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_named_files_exist():
    """CONTRIBUTING names files and folders by path."""
    for path in re.findall(r"`((?:placezoo|docs|tests)/[\w/.]+)`", (ROOT / "CONTRIBUTING.md").read_text()):
        assert "NAME" in path or (ROOT / path).exists(), path


def test_the_site_builds(tmp_path):
    """Strictly: a broken link, anchor or reference is an error."""
    pytest.importorskip("mkdocs", reason="mkdocs is not installed")
    pytest.importorskip("mkdocs_jupyter", reason="mkdocs-jupyter is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    pages = {path.parent.name for path in (tmp_path / "site").rglob("index.html")}
    assert {"leaderboard", "results", "adding", "chip-place", "core", "start-here", "fine-tune"} <= pages
    assert (tmp_path / "site" / "results" / "standard.html").exists()


@pytest.mark.parametrize("env_id", PROBLEMS)
def test_the_page_of_an_environment_names_all_there_is(env_id):
    """Every feature, cost term and parameter; the picture, rewards and references."""
    name = "".join(f"-{c.lower()}" if c.isupper() else c for c in env_id.removesuffix("-v0").replace("MCM", "Mcm"))[1:]
    text = (ROOT / "docs" / "environments" / f"{name}.md").read_text()
    problem = PROBLEMS[env_id]
    features = problem.feature_names
    names = [
        *features.items,
        *features.item_edges,
        *features.resources,
        *features.resource_edges,
        *features.pairs,
        *problem.term_names,
    ]
    for known in [*names, *problem_parameters(env_id)]:
        if known not in [f"laplacian_{i}" for i in (2, 3)]:  # "laplacian_1 to laplacian_4"
            assert f"`{known}`" in text, known
    for section in ("## References", "![", "eward"):
        assert section in text, section
