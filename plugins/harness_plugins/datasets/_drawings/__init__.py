"""The drawn sample: seeded portraits of cats and dogs, a stand-in for photographs that are not there.

``draw("cat", 7, 32)`` is the cat of seed 7 at 32 x 32 pixels; the same arguments give the same bytes in every process,
and the same kind and seed show the same animal at every size. Cats and dogs share coat colours, poses, backgrounds,
things in front and light; they differ in ears, skull, muzzle, nose, eyes and whiskers, and each of these has
exceptions (pricked dog ears, folded cat ears), so that no single trait tells the two apart.

From the bottom up, each imports only from those above it: ``colours`` and ``traits`` say what is in a picture,
``species`` and ``sampling`` choose it, ``pen`` draws outlines, ``ears``, ``face``, ``coat``, ``head``, ``body``,
``background`` and ``foreground`` draw one thing each, ``photograph`` adds light and noise, ``picture`` puts it together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from PIL import Image

    from harness_plugins.datasets._drawings.traits import Kind

VERSION = 1
"""Raised whenever the pixels change; part of the data's fingerprint."""

CLASSES = ("cat", "dog")
"""The two kinds of animal, in label order."""


def draw(kind: str, seed: int, size: int) -> Image.Image:
    """Return one portrait: RGB, ``size`` x ``size`` pixels, the same bytes for the same arguments.

    Raises ValueError for a kind that is not in CLASSES and for a seed that is not a non-negative 64-bit integer.
    """
    if kind not in CLASSES:
        raise ValueError(f"drawings: kind must be one of {', '.join(CLASSES)}, got {kind!r}")
    if not 0 <= seed < 2**64:
        raise ValueError(f"drawings: seed must be a whole number from 0 to 2**64 - 1, got {seed}")
    # Imported here, because finding plugins imports this package, and needs neither NumPy nor Pillow.
    from harness_plugins.datasets._drawings.picture import draw_picture
    from harness_plugins.datasets._drawings.sampling import portrait

    return draw_picture(portrait(cast("Kind", kind), seed), size)
