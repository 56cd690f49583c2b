"""Tab completion, as bash asks for it: commands, options, and every name that a person would otherwise look up."""

from __future__ import annotations

import shutil

import pytest

from harness.cli.app import main
from harness.cli.completion import VARIABLE


@pytest.fixture
def complete(tmp_path, monkeypatch, capsys):
    """Return a function that returns what the shell is offered for a line, whose last word is incomplete."""
    monkeypatch.chdir(tmp_path)

    def ask(line):
        words = line.split(" ")
        monkeypatch.setenv(VARIABLE, "complete_bash")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        with pytest.raises(SystemExit) as ended:
            main([])
        out, err = capsys.readouterr()
        assert (ended.value.code, err) == (0, "")
        return out.split()

    return ask


def test_commands_and_options(complete):
    assert complete("harness pl") == ["plan"]
    assert complete("harness data in") == ["inspect"]
    assert "--profile" in complete("harness run tiny --")


def test_benchmark_files_with_their_profiles_and_workloads(complete, tmp_path):
    (tmp_path / "mine.toml").write_text('name = "mine"\n[profiles.quick]\n')
    assert complete("harness run ") == ["diabetes", "dogscats", "mine.toml", "suite", "tiny"]
    assert complete("harness plan dog") == ["dogscats"]
    assert complete("harness run mine.toml --profile ") == ["quick"]
    assert complete("harness run dogscats --profile ver") == ["verdict"]
    assert complete("harness run suite --workload digits-") == ["digits-linear", "digits-mlp"]
    assert complete("harness run broken.toml --profile ") == []


def test_plugins_kinds_and_formats(complete):
    assert complete("harness check lio") == ["lion"]
    assert complete("harness list opt") == ["optimizer"]
    assert complete("harness list bench") == ["benchmark"]
    assert complete("harness run tiny --block lio") == ["lion"]
    assert complete("harness report RUN --format html,m") == ["html,md"]
    assert complete("harness data get dogs") == ["dogscats"]
    assert complete("harness cache ") == ["features", "images", "shipped"]


def test_run_folders_and_arms(complete, tmp_path):
    run = tmp_path / "runs" / "tiny-00000000"
    run.mkdir(parents=True)
    (tmp_path / "runs" / "notes").mkdir()
    (run / "run.db").touch()
    assert complete("harness show ") == ["runs/tiny-00000000"]
    assert complete("harness status runs/t") == ["runs/tiny-00000000"]
    assert complete("harness predict runs/tiny-00000000 x --arm ") == []  # of a run that cannot be read
    shutil.rmtree(tmp_path / "runs")
    assert complete("harness show ") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell(monkeypatch, capsys, shell):
    monkeypatch.setenv(VARIABLE, f"source_{shell}")
    with pytest.raises(SystemExit) as ended:
        main([])
    out, err = capsys.readouterr()
    assert (ended.value.code, err) == (0, "")
    assert f"{VARIABLE}=complete_{shell}" in out
