"""Drawings for the tests of drawing in several processes, which import this module."""

from __future__ import annotations

import os

from PIL import Image

SIZE = 4


def picture(parent, i):
    if i == 700 or (i == 40 and os.getpid() == parent):
        raise ValueError(f"no picture {i}")
    return Image.new("RGB", (SIZE, SIZE), (i % 256, i // 256, 7))


def fragile(parent, i):
    if i >= 64 and os.getpid() != parent:
        os._exit(3)
    return picture(0, i)
