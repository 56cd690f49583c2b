"""The cache: its sizes by kind, and that cleaning it touches nothing else."""

from __future__ import annotations

import json
import re

import pytest

from harness.cli.app import main
from harness.data.places import IN_CACHE


@pytest.fixture
def cache(tmp_path, monkeypatch, capsys):
    """Return a cache folder with files of two kinds and of somebody else, and a function that calls the command."""
    folder = tmp_path / "cache"
    for name, size in (
        ("images/a.npy", 2_000_000),
        ("images/a.json", 100),
        ("features/b.npy", 5000),
        ("other/mine", 7),
    ):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"0" * size)
    monkeypatch.setenv("HARNESS_CACHE", str(folder))

    def call(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["cache", *arguments])
        return ended.value.code or 0, *capsys.readouterr()

    return folder, call


def files(folder):
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def test_sizes_by_kind(cache):
    folder, call = cache
    code, out, _ = call()
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert lines[0][-1] == str(folder)
    assert lines[1][:5] == ["images", "2.0", "MB", "2", "files"]
    assert lines[2][:5] == ["features", "5", "kB", "1", "file"]
    assert lines[3][:5] == ["shipped", "0", "kB", "0", "files"]
    assert lines[4] == ["in", "all", "2.0", "MB"]
    document = json.loads(call("--json")[1])
    assert {row["kind"]: row["bytes"] for row in document["kinds"]} == {
        "images": 2_000_100,
        "features": 5000,
        "shipped": 0,
    }


def test_cleaning_removes_what_it_says_and_nothing_else(cache):
    folder, call = cache
    code, out, _ = call("--clean", "features")
    assert (code, "images" in out) == (0, False)
    assert files(folder) == ["images/a.json", "images/a.npy", "other/mine"]
    assert call("--clean")[0] == 0
    assert files(folder) == ["other/mine"]
    assert call("--clean")[0] == 0


def test_a_link_to_another_folder_is_left_alone(cache, tmp_path):
    folder, call = cache
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "photo.jpg").touch()
    (folder / "shipped").symlink_to(precious)
    assert call("--clean")[0] == 0
    assert (precious / "photo.jpg").exists()


def test_an_unknown_kind_is_refused(cache):
    folder, call = cache
    code, _, err = call("--clean", "feature")
    assert (code, err) == (2, "error: cache: must be given a kind of file, got 'feature'; did you mean 'features'?\n")
    assert "features/b.npy" in files(folder)


def test_every_folder_that_the_code_keeps_in_the_cache_is_known(repository):
    texts = [file.read_text() for file in (repository / "harness").rglob("*.py")]
    used = {name for text in texts for name in re.findall(r'cache_folder\(\) / "(\w+)"', text)}
    assert used == set(IN_CACHE)
