"""Every notebook of the docs runs, and keeps outputs that are small and without errors."""

import json
from pathlib import Path

import pytest

from placezoo.envs.registration import PROBLEMS

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "tutorials").glob("*.ipynb"))
NEED_TORCH = ("train-and-compare", "fine-tune")
MOST_BYTES = 200_000


def code_of(path):
    cells = json.loads(path.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.fixture
def _registered_for_this_test():
    before = dict(PROBLEMS)
    yield
    PROBLEMS.clear()
    PROBLEMS.update(before)


@pytest.mark.usefixtures("_registered_for_this_test")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    """Its cells one after another, in this process: kernels that are compiled already need no second time."""
    pytest.importorskip("IPython", reason="IPython is not installed")
    if path.stem in NEED_TORCH:
        pytest.importorskip("torch", reason="torch is not installed")
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "notebook"}
    for number, code in enumerate(code_of(path)):
        exec(compile(code, f"{path.name}, cell {number}", "exec"), names)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_keeps_small_outputs(path):
    content = json.loads(path.read_text())
    outputs = [output for cell in content["cells"] for output in cell.get("outputs", [])]
    assert outputs, "run tools/notebooks.py"
    assert "error" not in {output["output_type"] for output in outputs}
    assert path.stat().st_size < MOST_BYTES
    numbers = [cell["execution_count"] for cell in content["cells"] if cell["cell_type"] == "code"]
    assert numbers == list(range(1, len(numbers) + 1))


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 6
