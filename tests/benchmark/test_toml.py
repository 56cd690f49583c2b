"""Every value remembers where it was written."""

from __future__ import annotations

import pytest

from harness.benchmark.toml import read
from harness.errors import BenchmarkError

TEXT = """\
name = "x"   # a comment with [brackets]

[train]
l2 = 1e-3
backbones = [
  "a",
]
[search.space.sgd]
lr = { low = 1, high = 2 }
[profiles.big.train]
l2 = 2e-3
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "b.toml"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize(
    ("key", "place"),
    [
        (("name",), "1: name"),
        (("train", "l2"), "4: train.l2"),
        (("train", "backbones"), "5: train.backbones"),
        (("search", "space", "sgd", "lr"), "9: search.space.sgd.lr"),
        (("search", "space", "sgd", "lr", "low"), "9: search.space.sgd.lr.low"),
        (("train", "nowhere"), "3: train.nowhere"),
    ],
)
def test_a_key_has_the_line_it_was_written_on(file, key, place):
    assert read(file).where(*key) == f"{file}:{place}"


def test_a_profile_is_laid_over_the_file_and_keeps_its_own_lines(file):
    source = read(file, "big")
    assert source.values["train"] == {"l2": 2e-3, "backbones": ["a"]}
    assert source.where("train", "l2") == f"{file}:11: train.l2"
    assert source.where("train", "backbones") == f"{file}:5: train.backbones"


@pytest.mark.parametrize(
    ("override", "value"),
    [("train.l2=3", 3), ("train.l2=0.5", 0.5), ('train.l2=["a"]', ["a"]), ("train.l2=word", "word"), ("train.l2=", "")],
)
def test_an_override_is_toml_or_else_a_string_and_is_laid_last(file, override, value):
    source = read(file, "big", [override])
    assert source.values["train"]["l2"] == value
    assert source.where("train", "l2") == "--set: train.l2"


def test_an_override_of_a_table_leaves_its_other_keys(file):
    source = read(file, None, ["search.space.sgd.momentum=0.9"])
    assert source.values["search"]["space"]["sgd"] == {"lr": {"low": 1, "high": 2}, "momentum": 0.9}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = ", r"b\.toml:1: must be valid TOML"),
        ("a = 1\na = 2", r"b\.toml:2: must be valid TOML"),
        (f"a = {'9' * 5000}", r"b\.toml: must be valid TOML, got a number of too many digits; write less$"),
        (f"a = {'[' * 3000}", r"b\.toml: must be valid TOML, got brackets nested too deep; write less$"),
    ],
)
def test_broken_toml_names_its_line(tmp_path, text, message):
    path = tmp_path / "b.toml"
    path.write_text(text)
    with pytest.raises(BenchmarkError, match=message):
        read(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(BenchmarkError, match=r"none\.toml: must be a benchmark file .*got nothing there"):
        read(tmp_path / "none.toml")
    with pytest.raises(BenchmarkError, match="got a folder"):
        read(tmp_path)


def test_an_unknown_profile_is_answered_with_the_nearest(file):
    with pytest.raises(BenchmarkError, match="got 'bigg'; did you mean 'big'"):
        read(file, "bigg")


@pytest.mark.parametrize(
    "text", ["train", "=3", "train..l2=3", ".l2=3", "train.=3", "train l2=3", "torch:RAdam.lr=3", ""]
)
def test_an_override_that_is_no_key_and_value_is_refused(file, text):
    with pytest.raises(BenchmarkError, match=rf"--set: must be KEY=VALUE, got '{text}'; for example"):
        read(file, None, [text])


@pytest.mark.parametrize(
    ("value", "what"), [("9" * 5000, "a number of too many digits"), ("[" * 3000, "brackets nested too deep")]
)
def test_an_override_that_is_too_much_is_refused(file, value, what):
    with pytest.raises(BenchmarkError, match=f"--set: train.l2: must be valid TOML, got {what}; write less"):
        read(file, None, [f"train.l2={value}"])


def test_an_override_takes_quoted_keys_with_anything_in_them(file):
    source = read(file, None, ['search.space."torch:R=A".lr=1'])
    assert source.values["search"]["space"]["torch:R=A"] == {"lr": 1}


@pytest.mark.parametrize(
    ("override", "key", "place"),
    [
        ("train.a.b.c=3", ("train", "a"), "--set: train.a"),
        ("train.a.b.c=3", ("train",), "{file}:3: train"),
        ("name.x=1", ("name",), "--set: name"),
        ("search.space.sgdd.lr=1", ("search", "space", "sgdd"), "--set: search.space.sgdd"),
        ("search.space.sgdd.lr=1", ("search", "space", "sgd"), "{file}:8: search.space.sgd"),
        ("search.space.sgd.lr.low=3", ("search", "space", "sgd", "lr"), "{file}:9: search.space.sgd.lr"),
        ("search=3", ("search", "space", "sgd", "lr"), "--set: search.space.sgd.lr"),
        ("report.formats=3", ("report",), "--set: report"),
    ],
)
def test_what_an_override_makes_is_blamed_on_it_and_nothing_else(file, override, key, place):
    assert read(file, None, [override]).where(*key) == place.format(file=file)
