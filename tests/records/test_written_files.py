"""What a command is to write is looked at before anything is spent: a folder where a file must be, and the like."""

from __future__ import annotations

import pytest

from harness.cli.app import main
from harness.errors import DataError
from harness.records.files import check_out_file, check_out_folder


def test_a_file_can_be_new_or_replaced_and_nothing_is_left_behind(tmp_path):
    (tmp_path / "there.csv").write_text("a,b\n1,2\n")
    check_out_file(tmp_path / "there.csv", header="a,b\n")
    check_out_file(tmp_path / "new.csv", new=True)
    assert [file.name for file in tmp_path.iterdir()] == ["there.csv"]
    with pytest.raises(DataError, match=r"^--out: must be a new file, got '.*there\.csv', which is there"):
        check_out_file(tmp_path / "there.csv", new=True)


@pytest.mark.parametrize("new", [False, True])
def test_what_cannot_be_a_file_is_one_line(tmp_path, monkeypatch, new):
    with pytest.raises(DataError, match=r"^--x: must be a file that can be written, got '.*': it is a folder$"):
        check_out_file(tmp_path, "--x", new)
    with pytest.raises(
        DataError, match=r"^--out: must be a file that can be written, got '.*': its folder is not there$"
    ):
        check_out_file(tmp_path / "no" / "where.csv", new=new)

    def refuse(**where):
        raise PermissionError(13, "Permission denied", str(where["dir"]))

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(DataError, match=r"got '.*a\.csv': Permission denied$"):
        check_out_file(tmp_path / "a.csv", new=new)
    with pytest.raises(
        DataError, match=r"^--out: must be a folder that can be written to, got '.*deep': Permission denied$"
    ):
        check_out_folder(tmp_path / "new" / "deep", new=new)


def test_a_folder_can_be_made_anywhere_but_in_a_file(tmp_path):
    (tmp_path / "file").write_text("a")
    (tmp_path / "full" / "inner").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    for name in ("new", "new/deep", "empty", "full"):
        check_out_folder(tmp_path / name)
    check_out_folder(tmp_path / "empty", new=True)
    for name in ("full", "file"):
        with pytest.raises(DataError, match="--out: must be a new folder"):
            check_out_folder(tmp_path / name, new=True)
    for name in ("file", "file/deep"):
        with pytest.raises(DataError, match=r"must be a folder that can be written to, got '.*': '.*file' is a file"):
            check_out_folder(tmp_path / name)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "command",
    [
        ["compare", "RUN", "RUN", "--out", "FOLDER/page.html"],
        ["data", "suspects", "RUN", "--out", "FOLDER"],
        ["data", "suspects", "RUN", "--out", "FOLDER/file"],
        ["baseline", "export", "RUN", "--out", "FOLDER"],
        ["baseline", "export", "RUN", "--out", "FOLDER/file"],
        ["lr-find", "RUN", "--out", "FOLDER/page.svg"],
        ["check", "adam", "--plot", "FOLDER/page.svg"],
        ["run", "RUN", "--out", "FOLDER/file"],
    ],
)
def test_every_command_asks_before_it_looks_at_its_run(tmp_path, command, capsys, monkeypatch):
    """The run is not there, and nobody gets so far as to say so."""
    monkeypatch.setattr("harness.cli.check.run_checks", lambda *_: pytest.fail("checked first"))
    folder = tmp_path / "folder"
    for name in ("page.html", "page.svg"):
        (folder / name).mkdir(parents=True)
    (folder / "file").write_text("a")
    with pytest.raises(SystemExit) as ended:
        main([word.replace("FOLDER", str(folder)).replace("RUN", str(tmp_path / "none")) for word in command])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        ("error: --out: must be a ", "error: --plot: must be a ", "error: compare --out: must be a ")
    )
    assert str(folder) in line


@pytest.mark.parametrize("command", [["predict", "RUN", "PHOTOS"], ["export", "RUN"]])
def test_what_uses_a_model_names_a_run_that_is_not_there_and_no_default_of_out(tmp_path, command, capsys):
    run = str(tmp_path / "none")
    with pytest.raises(SystemExit) as ended:
        main([word.replace("RUN", run) for word in command])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {run}: must be a run folder, got nothing there")
