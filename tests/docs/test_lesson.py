"""The notebook of the lesson runs from its first cell to its last, and shows what it speaks of."""

from __future__ import annotations

import copy
import json

import pytest

nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed here; tox installs it")
nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed here; tox installs it")
pytest.importorskip("ipykernel", reason="ipykernel is not installed here; tox installs it")


QUICKER = {  # what its SMALL is here
    '"data.size": 32': '"data.size": 16',
    '{"train": 384, "tune": 128, "test": 256}': '{"train": 96, "tune": 64, "test": 64}',
    '"fp32",\n}': '"fp32",\n    "train.executor": "inprocess",\n}',  # workers would each import everything anew
}


@pytest.fixture(scope="module")
def lesson(repository):
    return nbformat.read(repository / "docs" / "lesson.ipynb", as_version=4)


def test_it_is_kept_without_outputs(lesson):
    """What it shows is made when it is run: no score of another machine stands in it."""
    assert all(not cell.outputs and cell.execution_count is None for cell in lesson.cells if cell.cell_type == "code")


def test_it_takes_the_whole_lesson(lesson):
    code = "\n".join(cell.source for cell in lesson.cells if cell.cell_type == "code")
    for step in (
        "lr_find",
        '"one_cycle"',
        '"sgdr"',
        '"features"',
        "layer_factor",
        "compare.tta",
        "confusion",
        "top_losses",
        "harness.run",
    ):
        assert step in code, step


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Jupyter's own packages
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_every_cell_runs(lesson, tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    lesson = copy.deepcopy(lesson)
    (settings,) = [cell for cell in lesson.cells if "SMALL = {" in cell.source]
    for old, new in QUICKER.items():
        assert old in settings.source, old
        settings.source = settings.source.replace(old, new)
    client = nbclient.NotebookClient(
        lesson, timeout=None, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    done = client.execute()
    shown = json.dumps([cell.get("outputs", []) for cell in done.cells])
    assert "text/html" in shown
    assert shown.count("data:image/jpeg;base64,") >= 6
    assert "do they reach the same minimum?" in shown
    assert "params_lr" in shown
