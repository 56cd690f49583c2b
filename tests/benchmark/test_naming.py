"""A run is called after its benchmark and after the folder with data that the command names."""

from __future__ import annotations

import pytest

from harness.benchmark.naming import name_with_data
from harness.console.progress import Reporter
from harness.running.prepare import Request, prepare

QUIET = Reporter(quiet=True)


@pytest.mark.parametrize(
    ("name", "folder", "expected"),
    [
        ("dogscats", "my/birds", "dogscats-birds"),
        ("birds-offline", "birds", "birds-offline"),
        ("dogscats", "path/to/dogscats", "dogscats"),
        ("dogscats", "Dogscats-96px", "Dogscats-96px"),
        ("mine", "2024, Garten!", "mine-2024-Garten"),
        ("mine", "鳥", "mine"),
        ("mine", "..", "mine"),
        ("mine", "x" * 99, f"mine-{'x' * 59}"),
    ],
)
def test_a_name_says_what_it_is_of(name, folder, expected, tmp_path):
    assert name_with_data(name, tmp_path / folder) == expected


def test_the_home_folder_gives_no_name(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "ann"))
    assert name_with_data("mine", tmp_path / "ann") == "mine"


def test_the_run_and_its_folder_have_the_name_unless_set_gives_another(benchmark_file, photos, tmp_path):
    file, folder = benchmark_file(("options = { train = 64, tune = 32, test = 64 }", "")), photos()
    for settings, name in (((), "tiny-photos"), (("name=own",), "own")):
        setting = prepare(Request(file, data=folder, out=tmp_path / "runs", overrides=settings), QUIET)
        assert setting.plan.benchmark.name == name
        assert setting.folder_name.rpartition("-")[0] == name
