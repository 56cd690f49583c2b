"""The picture: in words, and as a file."""

from __future__ import annotations

import re

import pandas as pd
import pytest
import torch

from harness import Float, HarnessError, Optimizer, describe_walk
from harness.cli.check import draw_paths, find_optimizers, find_plugins
from harness.results.pictures.walks import save_picture
from harness.results.pictures.writing import check_picture
from harness.training.walks import walk_all


def made_up(values, gradients=None, lr=0.03, problem=""):
    steps = range(len(values))
    columns = {"step": steps, "gradients": gradients or steps, "value": values, "lr": lr, "problem": problem}
    return pd.DataFrame(columns)


@pytest.mark.parametrize(
    ("walk", "says"),
    [
        (made_up([9.0, 1.0, 1e-5, 1e-6]), "lr 0.03, 2 steps to 1e-4"),
        (made_up([9.0, 1e-5, 1.0, 1e-6]), "lr 0.03, 3 steps to 1e-4"),  # the first dip was luck
        (made_up([9.0] * 40 + [1e-5]), "lr 0.03, value 1e-05 after 40 steps"),  # and so is one at the very end
        (made_up([9.0, 1e-5, 0.5, 0.25]), "lr 0.03, value 0.25 after 3 steps"),
        (made_up([9.0, 1e-5], [0, 12]), "lr 0.03, 1 step (12 gradients) to 1e-4"),
        (made_up([9.0, 1e-5], lr=float("nan")), "1 step to 1e-4"),
        (made_up([9.0, 1e9], problem="lost after 1 step"), "lr 0.03, lost after 1 step"),
        (made_up([9.0], lr=float("nan"), problem="failed: ValueError"), "failed: ValueError"),
    ],
)
def test_a_walk_in_words(walk, says):
    assert describe_walk(walk) == says


@pytest.fixture(scope="module")
def walks():
    arms = {name: Optimizer(name, torch.optim.SGD, {"lr": Float(1e-3, 1e-2, log=True)}) for name in ("a", "$b_1$")}
    return walk_all({name: (optimizer, {}) for name, optimizer in arms.items()})


def test_the_file_is_the_same_twice_and_no_larger_than_a_page(walks, tmp_path):
    for name in ("one.svg", "two.svg", "one.png", "two.png"):
        save_picture(walks, ["a", "$b_1$"], tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert 20_000 < (tmp_path / "one.svg").stat().st_size < 200_000
    assert "<script" not in (tmp_path / "one.svg").read_text(encoding="utf-8")


def test_another_kind_of_file_or_a_folder_that_is_not_there_is_refused_at_once(tmp_path):
    with pytest.raises(
        HarnessError, match=r"--plot: must be a picture ending in .pdf, .pgf, .svg or .png, got '.*walk.jpg'"
    ):
        check_picture(tmp_path / "walk.jpg", "--plot")
    with pytest.raises(HarnessError, match=r"--plot: must be a file that can be written, .* its folder is not there"):
        check_picture(tmp_path / "not" / "there.svg", "--plot")


def test_check_draws_the_optimizer_next_to_sgd_and_adam(tmp_path):
    found = find_plugins("adam", "optimizer")
    drawn = find_optimizers(found, tmp_path / "adam.svg")
    assert list(drawn) == ["adam"]
    draw_paths(drawn, tmp_path / "adam.svg")
    text = (tmp_path / "adam.svg").read_text(encoding="utf-8")
    assert re.findall(r"<!-- (\w+): lr", text) == ["adam", "sgd"] * 3  # matplotlib leaves texts as comments
    with pytest.raises(HarnessError, match="--plot: must be for an optimizer"):
        find_optimizers(find_plugins("cosine"), tmp_path / "cosine.svg")
