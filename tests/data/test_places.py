"""Where data is looked for: what the user named, ./data, and last what was downloaded."""

from __future__ import annotations

import pytest

from harness.data.places import Root, downloads_folder, find_root
from harness.errors import DataError


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder, and one of downloads."""
    monkeypatch.setenv("HARNESS_DOWNLOADS", str(tmp_path / "got"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def test_the_places_come_in_their_order(here, monkeypatch):
    assert find_root(None, "x") == Root(None)
    (here / "got" / "x").mkdir(parents=True)
    assert find_root(None, "x") == Root(here / "got" / "x", downloaded=True)
    assert find_root(None, "y") == Root(None)
    (here / "here" / "data").mkdir()
    assert find_root(None, "x").path.resolve() == here / "here" / "data"
    assert not find_root(None, "x").required
    monkeypatch.setenv("HARNESS_DATA", str(here))
    assert find_root(None, "x") == Root(here, required=True)
    assert find_root(here / "got", "x") == Root(here / "got", required=True)


def test_a_folder_that_is_named_must_be_there(here, monkeypatch):
    with pytest.raises(DataError, match=r"--data: must be a folder with the data, got '.*none', which is not there"):
        find_root(here / "none", "x")
    (here / "file").write_text("")
    monkeypatch.setenv("HARNESS_DATA", str(here / "file"))
    with pytest.raises(DataError, match=r"HARNESS_DATA: must be a folder .* which is a file"):
        find_root(None, "x")


@pytest.mark.parametrize(("platform", "part"), [("linux", ".local"), ("darwin", "Library"), ("win32", "AppData")])
def test_downloads_go_where_the_system_keeps_a_users_data(monkeypatch, tmp_path, platform, part):
    for name in ("HARNESS_DOWNLOADS", "XDG_DATA_HOME", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("harness.data.places.sys.platform", platform)
    assert part in downloads_folder().parts
    assert "optimizer-harness" in downloads_folder().parts


def test_a_run_takes_what_was_downloaded_and_says_so(here, benchmark_file, photos, monkeypatch):
    from harness.console.progress import Reporter
    from harness.running.prepare import Request, prepare

    (here / "got").mkdir()
    photos().rename(here / "got" / "dogscats")
    said = []
    monkeypatch.setattr(Reporter, "say", lambda self, text, style="", brief=False: said.append(text))
    data = prepare(Request(benchmark_file()), Reporter(quiet=True)).data
    assert data.source == f"photos in {here / 'got' / 'dogscats'}"
    assert said[0] == f"data: {here / 'got' / 'dogscats'}, where 'harness data get' put it"
