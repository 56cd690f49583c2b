"""Every value remembers where it was written."""

from __future__ import annotations

import pytest

from harness.errors import BenchmarkError
from harness.toml import read

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


def test_an_override_without_a_value_is_refused(file):
    with pytest.raises(BenchmarkError, match="--set: must be KEY=VALUE, got 'train'"):
        read(file, None, ["train"])
