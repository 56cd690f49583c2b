"""The files that come with the harness: one copy of them in the repository, found by name in every folder."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from harness.benchmark import installed
from harness.benchmark.installed import find_benchmark, first_sentence, hint_for, installed_benchmarks
from harness.benchmark.toml import read
from harness.errors import BenchmarkError


def test_the_wheel_takes_every_benchmark_file_of_the_repository(repository):
    build = tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    included = build["targets"]["wheel"]["force-include"]
    files = [file.name for file in (repository / "benchmarks").glob("*.toml")]
    pages = [file.name for file in (repository / "docs").iterdir() if file.suffix in (".md", ".ipynb")]
    assert included == {
        **{f"benchmarks/{name}": f"harness/benchmark/files/{name}" for name in files},
        **{f"docs/{name}": f"harness/cli/pages/{name}" for name in pages},
    }
    for name, file in installed_benchmarks().items():
        assert file.read_bytes() == (repository / "benchmarks" / f"{name}.toml").read_bytes()


def test_a_name_is_looked_up_and_a_path_is_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dogscats").mkdir()  # a folder of photos, say
    assert find_benchmark(Path("dogscats")) == installed_benchmarks()["dogscats"]
    assert read(Path("dogscats")).values["name"] == "dogscats"
    for path in ("dogscats.toml", "sub/dogscats", "/dogscats", "unknown"):
        assert find_benchmark(Path(path)) == Path(path)
    (tmp_path / "tiny").write_text('name = "mine"\n')
    assert read(Path("tiny")).values["name"] == "mine"


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("dogcats", "did you mean 'dogscats'?"),
        ("benchmarks/dogscats.toml", "did you mean 'dogscats'?"),
        ("mine.toml", "check the path"),
        ("zzz", "there is diabetes, dogscats, suite, tiny"),
    ],
)
def test_a_path_that_leads_nowhere_gets_a_hint(tmp_path, monkeypatch, path, hint):
    monkeypatch.chdir(tmp_path)
    assert hint_for(Path(path)) == hint
    with pytest.raises(BenchmarkError, match=r"must be a benchmark file \(TOML\), got nothing there; ") as refused:
        read(Path(path))
    assert str(refused.value).endswith(hint)


def test_a_wheel_has_its_own_copy_and_a_clone_reads_the_repositorys(tmp_path, monkeypatch):
    (tmp_path / "mine.toml").write_text("# Mine: what is it? More.\n#\n#     harness run mine\n\nname = 'mine'\n")
    monkeypatch.setattr(installed, "PACKAGED", tmp_path)
    assert installed_benchmarks() == {"mine": tmp_path / "mine.toml"}
    monkeypatch.setattr(installed, "PACKAGED", tmp_path / "nothing")
    monkeypatch.setattr(installed, "IN_REPOSITORY", tmp_path)
    assert installed_benchmarks() == {"mine": tmp_path / "mine.toml"}


def test_every_file_says_in_its_first_line_what_it_asks():
    for file in installed_benchmarks().values():
        sentence = first_sentence(file)
        assert 20 < len(sentence) < 110, sentence
        assert "harness run" not in sentence


def test_a_folder_in_the_place_of_a_file_is_a_folder_of_data(tmp_path):
    folder = tmp_path / "my birds"
    folder.mkdir()
    with pytest.raises(
        BenchmarkError, match=r"got a folder; a folder of photos is named with --data: harness run dogscats --data '"
    ):
        read(folder)
    (folder / "mine.toml").write_text('name = "mine"\n')
    with pytest.raises(BenchmarkError, match=r"got a folder; name a file in it, such as .*mine\.toml$"):
        read(folder)


def test_a_file_beside_the_one_that_is_not_there_may_be_meant(tmp_path):
    (tmp_path / "mybirds.toml").write_text("")
    assert hint_for(tmp_path / "mybird.toml") == f"did you mean '{tmp_path / 'mybirds.toml'}'?"
    assert hint_for(tmp_path / "other.toml") == "check the path"
