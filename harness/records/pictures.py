"""Small pictures out of a run folder, which somebody else may have put there: only their pixels get into a page."""

from __future__ import annotations

import io

SIDE = 224  # pixels, at most: a reader of the report may look at a photo more closely
MOST_BYTES = 2**20  # of a file: ours have 5 to 12 kB
MOST_PIXELS = 2**24


def made_again(content: bytes) -> bytes | None:
    """Return a JPEG made anew from a JPEG's pixels, no side longer than ``SIDE``; None where it cannot be read.

    Nothing else of the file goes along: no place and time (EXIF), no comment, nothing behind its end.
    """
    from PIL import Image
    from PIL.JpegImagePlugin import JpegImageFile, get_sampling

    if len(content) > MOST_BYTES:
        return None
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG",)) as picture:
            if not isinstance(picture, JpegImageFile) or picture.width * picture.height > MOST_PIXELS:
                return None
            # With the tables it was coded by, coding it once more loses next to nothing.
            coded = {"qtables": picture.quantization, "subsampling": get_sampling(picture)}
            ours = picture.mode == "RGB" and max(picture.size) <= SIDE
            picture.draft("RGB", (SIDE, SIDE))
            pixels = picture.convert("RGB")
        pixels = Image.frombytes("RGB", pixels.size, pixels.tobytes())
        pixels.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        out = io.BytesIO()
        pixels.save(out, "JPEG", **(coded if ours else {"quality": 82}))
    except Exception:  # Pillow raises many types on a damaged file
        return None
    return out.getvalue()
