"""What a command writes replaces nothing but its own earlier output, whatever leads to it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.cli.app import main
from harness.errors import DataError
from harness.records import Store, files
from harness.records.files import MARK, check_out_file, check_out_folder
from harness.results.reports import write_reports

FILES = {
    "compare": ["compare", "RUN", "RUN", "--out"],
    "suspects": ["data", "suspects", "RUN", "--out"],
    "baseline": ["baseline", "export", "RUN", "--out"],
    "lr-find": ["lr-find", "FILE", "--out"],
    "check": ["check", "adam", "--plot"],
}
FOLDERS = {
    "run": ["run", "FILE", "--out"],
    "export": ["export", "RUN", "--out"],
    "report": ["report", "RUN", "--out"],
}


@pytest.fixture
def places(tmp_path):
    """A run folder, a user's files, and other ways to them."""
    run = tmp_path / "runs" / "run"
    Store(run).__exit__()
    (run / "benchmark.toml").write_text("name = 'run'")
    (run / "report.html").write_text(f"<!doctype html>{MARK}")
    (run / "tables").mkdir()
    (run / "tables" / "arms.csv").write_text("id,label\n")
    (tmp_path / "mine.toml").write_text("name = 'mine'")
    (tmp_path / "mine.csv").write_text("name,label\na,cat\n")
    (tmp_path / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    (tmp_path / "link.csv").symlink_to(run / "run.db")
    (tmp_path / "link").symlink_to(run)
    (tmp_path / "nowhere.svg").symlink_to(tmp_path / "gone")
    return tmp_path


def snapshot(folder):
    found = {}
    for path in folder.rglob("*"):
        found[path] = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
    return found


TARGETS = [
    "runs/run/run.db", "runs/run/RUN.db", "runs/run/run.db-wal", "runs/run/lock", "runs/run/benchmark.toml",
    "runs/run/report.html", "runs/run/report.new", "runs/run/solutions/new", "runs/run/tables/arms.csv",
    "runs/run/states/../run.db", "link/run.db", "link/predictions/new", "link.csv", "mine.toml", "mine.csv", "photo.png",
    "nowhere.svg",
]  # fmt: skip


@pytest.mark.parametrize("header", ["", "id,label\n"])
@pytest.mark.parametrize("target", TARGETS)
def test_a_file_of_a_run_or_of_the_user_is_not_replaced(places, target, header):
    before = snapshot(places)
    with pytest.raises(DataError, match=r"^--out: must be (outside of what a run wrote|a new file, or one that)"):
        check_out_file(places / target, header=header)
    with pytest.raises(DataError, match=r"^--out: must be (outside of what a run wrote|a new file), got"):
        check_out_file(places / target, new=True)
    assert snapshot(places) == before


@pytest.mark.parametrize("command", FILES)
def test_every_command_asks(places, command, capsys):
    before = snapshot(places)
    names = {"compare": "report.html", "lr-find": "report.svg", "check": "report.png"}
    out = places / "link" / names.get(command, "run.db")
    words = {"RUN": str(places / "runs" / "run"), "FILE": str(places / "mine.toml")}
    with pytest.raises(SystemExit) as ended:
        main([*(words.get(word, word) for word in FILES[command]), str(out)])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "must be outside of what a run wrote" in line
    assert snapshot(places) == before


@pytest.mark.parametrize("target", ["runs/run/solutions", "runs/run/tables/new", "link/states/x"])
def test_a_folder_of_a_run_is_not_written_into(places, target):
    for new in (False, True):
        with pytest.raises(DataError, match=r"^--out: must be outside of what a run wrote"):
            check_out_folder(places / target, new=new)


@pytest.mark.parametrize("command", FOLDERS)
def test_every_command_that_writes_a_folder_asks(places, written_records, command, capsys, tmp_path):
    run = tmp_path / "made-up"
    written_records(run, trials=2, epochs=2, arms=2, seeds=2)
    words = {"RUN": str(run), "FILE": str(places / "mine.toml")}
    before = snapshot(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main([*(words.get(word, word) for word in FOLDERS[command]), str(places / "link" / "tables" / "new")])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "must be outside of what a run wrote" in line
    assert snapshot(tmp_path) == before


def test_a_device_is_not_replaced():
    with pytest.raises(DataError, match=r"^--out: must be a new file, or one that this command wrote, got '/dev/null'"):
        check_out_file(Path(os.devnull))
    assert Path(os.devnull).is_char_device()


def test_a_command_replaces_what_it_wrote(tmp_path):
    for name, content in (("a.html", f"<meta name='generator' content='{MARK}'>"), ("a.md", f"<!-- {MARK} -->\nb")):
        (tmp_path / name).write_text(content)
        check_out_file(tmp_path / name)
    (tmp_path / "a.csv").write_text("id,label\n1,0.5\n")
    check_out_file(tmp_path / "a.csv", header="id,label\n")
    (tmp_path / "link.csv").symlink_to(tmp_path / "a.csv")
    check_out_file(tmp_path / "link.csv", header="id,label\n")
    for header in ("id,cats,dogs\n", ""):
        with pytest.raises(
            DataError, match=r"(a table with other columns|which is another); name another or remove it"
        ):
            check_out_file(tmp_path / "a.csv", header=header)


def test_what_a_user_keeps_beside_a_runs_own_files_may_be_written(places):
    run = places / "runs" / "run"
    before = snapshot(run)
    check_out_file(run / "submission.csv")
    files.write(run / "submission.csv", b"id,label\n", durable=False)
    check_out_folder(places / "runs")
    check_out_folder(run / "model", new=True)
    with files.new_folder(run / "model", "name another folder") as inside:
        (inside / "model.json").write_text("{}")
    new = {run / "submission.csv": b"id,label\n", run / "model": None, run / "model" / "model.json": b"{}"}
    assert snapshot(run) == before | new


def test_pictures_of_ours_can_be_replaced(tmp_path):
    """They say so near their beginning."""
    import pandas as pd

    from harness.results.pictures.range_test import write_picture
    from harness.results.pictures.walks import save_picture
    from harness.training.walks import COLUMNS

    for name in ("a.svg", "a.png", "a.pdf", "a.pgf"):
        write_picture(tmp_path / name, [])
        curves = (tmp_path / name).read_bytes()
        check_out_file(tmp_path / name)
        save_picture(pd.DataFrame(columns=list(COLUMNS)), [], tmp_path / name)
        assert curves != (tmp_path / name).read_bytes() != b"", name
        check_out_file(tmp_path / name)


def test_reports_go_into_a_folder_of_their_own_again_and_again(places, written_records, registry, tmp_path):
    run, other, out = tmp_path / "made-up", tmp_path / "other", tmp_path / "out"
    written_records(run, trials=2, epochs=2, arms=2, seeds=2)
    written_records(other, trials=2, epochs=2, arms=2, seeds=2)
    for _ in range(2):
        write_reports(run, ["text"], registry, out=out)
    line = "^report --out: must be a folder without reports, or one that this command wrote, got "
    with pytest.raises(DataError, match=rf"{line}'.*other', a run folder"):
        write_reports(run, ["text"], registry, out=other)
    (tmp_path / "full" / "tables").mkdir(parents=True)
    with pytest.raises(DataError, match=rf"{line}'.*tables', which is another's"):
        write_reports(run, ["text"], registry, out=tmp_path / "full")
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "report.txt").write_text("mine")
    with pytest.raises(DataError, match=rf"{line}'.*report\.txt', which is another's"):
        write_reports(run, ["text"], registry, out=tmp_path / "user")
    assert (tmp_path / "user" / "report.txt").read_text() == "mine"
