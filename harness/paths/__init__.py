"""An optimizer's path over two parameters: the picture of the lesson.

``landscapes`` are the functions, ``walk`` goes over them, ``picture`` draws where it went, without torch.
"""

from __future__ import annotations

from harness.paths.picture import Stroke, check_picture, describe_walk, draw_walks, save_picture
from harness.training.landscapes import LANDSCAPES, Landscape
from harness.training.walks import Walk, paths, rates, walk

__all__ = [
    "LANDSCAPES",
    "Landscape",
    "Stroke",
    "Walk",
    "check_picture",
    "describe_walk",
    "draw_walks",
    "paths",
    "rates",
    "save_picture",
    "walk",
]
