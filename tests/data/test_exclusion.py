"""Leaving examples out: they leave train and tune, test stays whole, and wrong lists are refused by line."""

from __future__ import annotations

import numpy as np
import pytest

from harness.data.exclusion import exclude, read_exclusion
from harness.errors import DataError
from harness.plugin.contracts import Data, Split


@pytest.fixture
def data():
    def split(which, count):
        targets = np.arange(count) % 2
        return Split(np.arange(count, dtype=np.float32)[:, None], targets, tuple(f"{which}/{i}" for i in range(count)))

    return Data("d", split("train", 6), split("tune", 4), split("test", 4), "f", "here", ("a", "b"))


def test_train_and_tune_lose_them_and_test_stays_whole(data, tmp_path):
    out = exclude(data, {"train/1": 2, "tune/0": 3, "test/2": 4}, tmp_path)
    assert out.train.names == ("train/0", "train/2", "train/3", "train/4", "train/5")
    assert out.train.inputs[:, 0].tolist() == [0, 2, 3, 4, 5]
    assert out.train.targets.tolist() == [0, 0, 1, 0, 1]
    assert out.tune.names == ("tune/1", "tune/2", "tune/3")
    assert out.test is data.test
    assert out.excluded == {"train": ("train/1",), "tune": ("tune/0",), "test": ("test/2",)}


def test_the_fingerprint_follows_the_names_alone(data, tmp_path):
    one = exclude(data, {"test/2": 2, "test/0": 3}, tmp_path)
    same = exclude(data, {"test/0": 9, "test/2": 1}, tmp_path / "elsewhere")
    assert one.fingerprint == same.fingerprint != data.fingerprint
    assert exclude(data, {"test/0": 2}, tmp_path).fingerprint not in (one.fingerprint, data.fingerprint)
    assert exclude(data, {}, tmp_path) is data


def test_an_unknown_name_is_refused_with_its_line(data, tmp_path):
    with pytest.raises(DataError, match=r"list\.csv:7: must name an example of the data, got 'train/11'.*did you mean"):
        exclude(data, {"train/1": 2, "train/11": 7}, tmp_path / "list.csv")


def test_no_class_may_vanish(data, tmp_path):
    with pytest.raises(DataError, match="every class in train, got none of 'b'"):
        exclude(data, dict.fromkeys(["train/1", "train/3", "train/5"], 2), tmp_path)


def test_a_list_as_a_spreadsheet_writes_it(tmp_path):
    file = tmp_path / "list.csv"
    file.write_bytes('\ufeffreason,file\r\nwrong,a.jpg\r\n,\r\nx,"b,\n2.jpg"\r\ny,a.jpg\r\n'.encode())
    assert read_exclusion(file, "data.exclude") == {"a.jpg": 2, "b,\n2.jpg": 5}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "got .*nothing there"),
        (b"name\nx\n", "must have a column 'file', got name"),
        (b"", "got nothing"),
        (b"\xff\xfe\x00", "must be a CSV file"),
    ],
)
def test_what_is_no_list_is_refused(tmp_path, content, says):
    file = tmp_path / "list.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError, match=says):
        read_exclusion(file, "b.toml:3: data.exclude")
