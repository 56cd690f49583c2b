"""A photo of any mode becomes 8-bit RGB as a viewer shows it: upright, scaled by the range of its values, on white.

The modes are Pillow's (https://pillow.readthedocs.io/en/stable/handbook/concepts.html#modes). Its own conversion clips
values above 255 instead of scaling them, and drops transparency. The rules look at one photo alone, never at others:

- In 16-bit grey 65,535 is white, and in 12-bit grey 4,095: the file says how many bits it has.
- Grey of 32 bits or of signed numbers has no range in its file. The smallest usual one that holds its values is taken:
  0 to 1 (real numbers only), 0 to 255, or 0 to 65,535. Values outside of all of them, NaN among them, are an error.
- What is transparent shows the background, which is white.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

BACKGROUND = (255, 255, 255)
ORIENTATION, BITS, PHOTOMETRIC = 0x0112, 258, 262  # tags of EXIF and TIFF
TURNS = {  # orientation -> what puts the photo upright; 1 is upright
    2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270", 7: "TRANSVERSE",
    8: "ROTATE_90",
}  # fmt: skip
NATIVE = {"I;16BS": "I;16NS", "I;32BS": "I;32NS", "F;32BF": "F;32NF"}  # raw modes, big-endian -> as on this machine
KEY_FACTORS = {"L;2": 85, "L;4": 17, "RGB;16B": 1 / 256}  # from a PNG's transparent colour to Pillow's values


def upright_rgb(photo: Image) -> Image:
    """Return an opened photo upright, in mode RGB.

    Raises ValueError where the range of its values cannot be known, and what Pillow raises on a damaged one.
    """
    raw_mode = _raw_mode(photo)
    _undo_byte_order(photo)
    photo.load()
    return _turn(_to_rgb(photo, raw_mode), _read_orientation(photo))


def _raw_mode(photo: Image) -> str:
    """Return the layout of the values in the file, as Pillow names it before it loads them; empty where it does not."""
    tiles: Any = getattr(photo, "tile", ())
    arguments = tiles[0][3] if tiles else ()
    mode = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return mode if isinstance(mode, str) else ""


def _undo_byte_order(photo: Image) -> None:
    """Let Pillow take the values of a compressed TIFF as libtiff gives them, in the byte order of this machine.

    Pillow (13.0) knows that for 16-bit grey; 32-bit and signed values of a big-endian file it turns round once more.
    """
    tiles: Any = getattr(photo, "tile", ())
    if tiles and tiles[0][0] == "libtiff":
        (mode, *more), *_ = [tile.args for tile in tiles]
        photo.tile = [tile._replace(args=(NATIVE.get(mode, mode), *more)) for tile in tiles]  # type: ignore[attr-defined]


def _read_orientation(photo: Image) -> int:
    """Return the orientation, 1 to 8; 1 where the EXIF is damaged, as viewers have it: the pixels are whole."""
    try:
        orientation = photo.getexif().get(ORIENTATION, 1)
    except Exception:  # Pillow raises many types on damaged EXIF
        return 1
    return orientation if orientation in TURNS else 1


def _turn(photo: Image, orientation: int) -> Image:
    from PIL import Image

    return photo.transpose(Image.Transpose[TURNS[orientation]]) if orientation in TURNS else photo


def _to_rgb(photo: Image, raw_mode: str) -> Image:
    if photo.mode == "RGB" and not photo.has_transparency_data:
        return photo
    if photo.mode.startswith("I") or photo.mode == "F":
        return _to_grey(photo).convert("RGB")
    if not photo.has_transparency_data:
        return photo.convert("RGB")
    key, factor = photo.info.get("transparency"), KEY_FACTORS.get(raw_mode, 1)
    if factor != 1 and key is not None:
        scaled = tuple(int(factor * value) for value in (key if isinstance(key, tuple) else (key,)))
        photo.info["transparency"] = scaled if isinstance(key, tuple) else scaled[0]
    return _on_background(photo.convert("RGBA"))


def _on_background(photo: Image) -> Image:
    from PIL import Image

    ground = Image.new("RGB", photo.size, BACKGROUND)
    ground.paste(photo.convert("RGB"), mask=photo.getchannel("A"))
    return ground


def _to_grey(photo: Image) -> Image:
    """Return a photo of more than 8 bits a pixel as 8-bit grey, on the background where it is transparent."""
    import numpy as np
    from PIL import Image

    values = np.asarray(photo)
    grey = np.rint(values.astype(np.float32) * np.float32(255 / _white_value(photo, values))).astype(np.uint8)
    tags = getattr(photo, "tag_v2", {})
    if tags.get(PHOTOMETRIC) == 0 and photo.mode != "I":  # WhiteIsZero, which Pillow turns round for 8 bits only
        grey = 255 - grey
    key = photo.info.get("transparency")
    return Image.fromarray(grey if key is None else np.where(values == key, np.uint8(BACKGROUND[0]), grey))


def _white_value(photo: Image, values: NDArray[Any]) -> int:
    """Return the value that is white, by the rules above; raises ValueError where it cannot be known."""
    if photo.mode.startswith("I;16"):
        return 4_095 if getattr(photo, "tag_v2", {}).get(BITS) == (12,) else 65_535
    least, greatest = values.min().item(), values.max().item()
    usual = (1, 255, 65_535) if photo.mode == "F" else (255, 65_535)
    for most in usual:
        if least >= 0 and greatest <= most:  # false for NaN
            return most
    raise ValueError(
        f"grey values from {least:g} to {greatest:g}, of which the range is not known; save it as 8-bit or 16-bit grey"
    )
