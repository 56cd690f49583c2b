"""Images drawn by several processes are those that one process draws."""

from __future__ import annotations

import os
from functools import partial

import numpy as np
import pytest
from PIL import Image

from harness.data import drawing
from harness.data.images import explain_unreadable

COUNT, SIZE = drawing.WORTH + 5, 4


def picture(parent, i):
    if i == 700 or (i == 40 and os.getpid() == parent):
        raise ValueError(f"no picture {i}")
    return Image.new("RGB", (SIZE, SIZE), (i % 256, i // 256, 7))


def fragile(parent, i):
    if i >= 64 and os.getpid() != parent:
        os._exit(3)
    return picture(0, i)


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
