"""Images drawn by several processes are those that one process draws."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from harness.data import drawing
from harness.data.images import explain_unreadable

sys.path.append(str(Path(__file__).parent))  # as the other processes are to find it
from pictures import SIZE, fragile, picture

COUNT = drawing.WORTH + 5


def collected(blocks):
    blocks = list(blocks)
    return np.concatenate([pixels for pixels, _ in blocks]), [broken for _, broken in blocks if broken]


def expected():
    blocks = [drawing.draw_block(partial(picture, 0), range(COUNT), SIZE, explain_unreadable)]
    return collected(blocks)


@pytest.mark.parametrize("draw", [picture, fragile])
def test_the_images_and_their_faults_are_those_of_one_process(draw):
    blocks = drawing.drawn_by_processes(partial(draw, os.getpid()), COUNT, SIZE, explain_unreadable, 2)
    assert blocks is not None
    pixels, broken = collected(blocks)
    assert np.array_equal(pixels, expected()[0])
    assert broken == expected()[1] == [{700: "no picture 700"}]


def test_few_images_one_core_and_functions_that_cannot_travel_stay_here():
    draw = partial(picture, 0)
    assert drawing.drawn_by_processes(draw, drawing.WORTH - 1, SIZE, explain_unreadable, 8) is None
    assert drawing.drawn_by_processes(draw, COUNT, SIZE, explain_unreadable, 1) is None
    assert drawing.drawn_by_processes(lambda i: draw(i), COUNT, SIZE, explain_unreadable, 8) is None
