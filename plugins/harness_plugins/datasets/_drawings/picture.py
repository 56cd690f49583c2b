"""The picture: its layers, back to front, and the photograph of them."""

from __future__ import annotations

from PIL import Image

from harness_plugins.datasets._drawings.background import draw_background
from harness_plugins.datasets._drawings.body import draw_body
from harness_plugins.datasets._drawings.coat import add_hair
from harness_plugins.datasets._drawings.face import draw_face
from harness_plugins.datasets._drawings.foreground import draw_foreground
from harness_plugins.datasets._drawings.head import draw_head
from harness_plugins.datasets._drawings.pen import Pen
from harness_plugins.datasets._drawings.photograph import develop
from harness_plugins.datasets._drawings.traits import Portrait

_SUPERSAMPLING = 3  # canvas pixels per picture pixel, along each axis
_SMALLEST_CANVAS = 96  # a smaller picture is still drawn on a canvas of this size


def draw_picture(who: Portrait, size: int) -> Image.Image:
    """Return the photograph of one animal: RGB, ``size`` x ``size`` pixels."""
    canvas = draw_background(who, max(_SMALLEST_CANVAS, size * _SUPERSAMPLING))
    empty = canvas.copy()
    if who.body:
        draw_body(Pen.on_animal(canvas, who.pose, 0.0), who)
    head = Pen.on_animal(canvas, who.pose, who.pose.tilt)
    draw_head(head, who)
    add_hair(canvas, empty, who)
    draw_face(head, who)
    draw_foreground(Pen.on_scene(canvas), who)
    return develop(canvas, who, size)
