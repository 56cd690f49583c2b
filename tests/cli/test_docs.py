"""``harness docs``: the pages that come with the harness."""

from __future__ import annotations

import json

import pytest

from harness.cli import docs
from harness.cli.app import main


def call(*words):
    with pytest.raises(SystemExit) as ended:
        main(["docs", *words])
    return ended.value.code or 0


def test_every_page_is_named_with_its_title_and_printed(repository, capsys):
    assert call() == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(docs.pages())
    assert "python          From Python" in lines
    assert call("python.md") == 0
    assert capsys.readouterr().out.rstrip() == (repository / "docs" / "python.md").read_text().rstrip()


def test_the_notebook_is_printed_as_text_and_copied_as_it_is(repository, tmp_path, capsys):
    assert call("lesson") == 0
    text = capsys.readouterr().out
    assert text.startswith("# The lesson, from Python")
    assert "```python\nfrom pathlib import Path\n\nimport harness" in text
    assert call("--to", str(tmp_path / "pages")) == 0
    assert json.loads((tmp_path / "pages" / "lesson.ipynb").read_text())["cells"]
    assert {file.stem for file in (tmp_path / "pages").iterdir()} == set(docs.pages())
    capsys.readouterr()
    assert call("--to", str(tmp_path / "pages")) == 2
    assert "--to: must be a new folder" in capsys.readouterr().err


def test_a_page_that_is_not_there_is_one_line_and_a_wheel_has_its_own_copy(tmp_path, monkeypatch, capsys):
    assert call("pyton") == 2
    assert "docs: must be a page, got 'pyton'; did you mean 'python'?" in capsys.readouterr().err
    (tmp_path / "mine.md").write_text("# Mine\n\nA page.\n")
    monkeypatch.setattr(docs, "PACKAGED", tmp_path)
    assert docs.pages() == {"mine": tmp_path / "mine.md"}
