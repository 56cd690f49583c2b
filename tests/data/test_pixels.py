"""Photos of every mode that Pillow opens become the 8-bit RGB that a viewer shows, or are named as broken."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from harness.data.images import decode_photos, stream_photos
from harness.data.impressions import look_at_photos
from harness.data.squares import Cut
from harness.plugin.contracts import Photo

SIZE = 16
GREY = np.arange(256, dtype=np.uint8).reshape(16, 16)  # every grey value
DEEP = GREY.astype(np.uint16) * 257  # the same picture in 16 bits


@pytest.fixture(autouse=True)
def _fresh_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


def quiet(*_):
    """Take progress and say nothing."""


def file_of(picture, suffix, **options):
    content = io.BytesIO()
    picture.save(content, suffix, **options)
    return content.getvalue()


def pixels_of(content):
    """Return the decoded photo [16, 16, 3] after checking that the store, the stream and the look agree on it."""
    photos = [Photo("a", "", lambda: content)]
    store = decode_photos(photos, SIZE, quiet)
    (((streamed,), broken),) = stream_photos(photos, Cut(SIZE))
    (look,) = look_at_photos(photos, quiet)
    assert store.broken == broken == ({0: look.broken} if look.broken else {})
    assert not look.broken, look.broken
    assert np.array_equal(streamed[0], store.pixels[0])
    assert np.array_equal(look.grey[::2, ::2], np.asarray(Image.fromarray(store.pixels[0]).convert("L")))
    return store.pixels[0].astype(int)


def broken_of(content):
    """Return why the photo is broken, after checking that the store, the stream and the look agree on it."""
    photos = [Photo("a", "", lambda: content)]
    ((_, broken),) = stream_photos(photos, Cut(SIZE))
    (look,) = look_at_photos(photos, quiet)
    assert decode_photos(photos, SIZE, quiet).broken == broken == {0: look.broken}
    return look.broken


def tiff(values, **tags):
    """Return a TIFF of grey values [16, 16]; ``tags`` replace those of the format."""
    info = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in tags.items():
        info[int(tag.removeprefix("tag"))] = value
    return file_of(Image.fromarray(values), "TIFF", tiffinfo=info)


def png(width, height, depth, kind, rows, *chunks):
    """Return a PNG made by hand; ``rows`` are the packed bytes of each row, ``chunks`` stand before the pixels."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    packed = zlib.compress(b"".join(b"\0" + row for row in rows))
    middle = b"".join(chunk(name, data) for name, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + middle + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


DEEP_FILES = {
    "PNG I;16": file_of(Image.fromarray(DEEP), "PNG"),
    "TIFF I;16": file_of(Image.fromarray(DEEP), "TIFF"),
    "TIFF I;16 deflated": file_of(Image.fromarray(DEEP), "TIFF", compression="tiff_adobe_deflate"),
    "TIFF I;16B": file_of(Image.fromarray(DEEP.astype(">u2")), "TIFF"),
    "TIFF I of 16 bits": file_of(Image.fromarray(DEEP.astype(np.int32)), "TIFF"),
    "TIFF I of 8 bits": file_of(Image.fromarray(GREY.astype(np.int32)), "TIFF"),
    "TIFF F to 1": file_of(Image.fromarray(GREY.astype(np.float32) / 255), "TIFF"),
    "TIFF F to 255": file_of(Image.fromarray(GREY.astype(np.float32)), "TIFF"),
    "TIFF F to 65535": file_of(Image.fromarray(DEEP.astype(np.float32)), "TIFF"),
    "TIFF I;16, white is zero": tiff(65_535 - DEEP, tag262=0),
    "PNG I;16, one value transparent": png(
        16, 16, 16, 0, [row.astype(">u2").tobytes() for row in DEEP], (b"tRNS", struct.pack(">H", 65_535))
    ),
    "PNG of 16-bit RGB": png(16, 16, 16, 2, [np.repeat(row, 3).astype(">u2").tobytes() for row in DEEP]),
}


@pytest.mark.parametrize("kind", DEEP_FILES)
def test_the_same_picture_in_8_and_in_more_bits_has_the_same_pixels(kind):
    assert np.abs(pixels_of(DEEP_FILES[kind]) - GREY[:, :, None]).max() <= 1


def test_any_16_bit_value_is_scaled_by_the_range_and_not_by_the_photo():
    dark = np.random.default_rng(0).integers(0, 9_000, (16, 16)).astype(np.uint16)
    assert np.abs(pixels_of(file_of(Image.fromarray(dark), "PNG"))[:, :, 0] - dark / 257).max() <= 0.5


def raw_tiff(values, order, compressed, kind):
    """Return a TIFF made by hand of grey values [16, 16]; ``kind`` is 1 for unsigned, 2 for signed, 3 for real ones."""
    raw = values.astype(values.dtype.newbyteorder(order)).tobytes()
    data = zlib.compress(raw) if compressed else raw
    start = 8 + 2 + 10 * 12 + 4
    tags = {256: 16, 257: 16, 258: values.dtype.itemsize * 8, 259: 8 if compressed else 1, 262: 1, 273: start, 277: 1,
            278: 16, 279: len(data), 339: kind}  # fmt: skip
    entries = b"".join(
        struct.pack(f"{order}HHII", tag, 4, 1, value)
        if tag in (273, 279)
        else struct.pack(f"{order}HHIHH", tag, 3, 1, value, 0)
        for tag, value in tags.items()
    )
    begin = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(tags))
    return begin + entries + struct.pack(f"{order}I", 0) + data


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("kind", "form"), [(1, "u2"), (2, "i4"), (3, "f4"), (2, "i2")])
def test_the_byte_order_of_a_tiff_changes_nothing(kind, form, order, compressed):
    values = (np.arange(256).reshape(16, 16) * 127 + 3).astype(form)
    assert np.abs(pixels_of(raw_tiff(values, order, compressed, kind))[:, :, 0] - values / 257).max() <= 0.5001


def test_12_bit_grey_is_scaled_by_12_bits():
    values = GREY.astype(int) * 4_095 // 255
    pairs = values.reshape(16, 8, 2)
    packed = np.stack([pairs[..., 0] >> 4, (pairs[..., 0] & 15) << 4 | pairs[..., 1] >> 8, pairs[..., 1] & 255], -1)
    data = packed.astype(np.uint8).tobytes()
    tags = [
        (256, 16),
        (257, 16),
        (258, 12),
        (259, 1),
        (262, 1),
        (273, 8 + 2 + 12 * 9 + 4),
        (277, 1),
        (278, 16),
        (279, len(data)),
    ]
    entries = b"".join(struct.pack("<HHII", tag, 4 if tag == 273 else 3, 1, value) for tag, value in tags)
    content = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0) + data
    assert np.abs(pixels_of(content) - GREY[:, :, None]).max() <= 1


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (DEEP.astype(np.int32) - 300, "from -300 to 65235"),
        (DEEP.astype(np.int32) * 2, "from 0 to 131070"),
        (DEEP.astype(np.float32) - 1, "from -1 to 65534"),
        (np.where(GREY == 9, np.float32("nan"), np.float32(0.5)), "from nan to nan"),
        (np.where(GREY == 9, np.float32("inf"), np.float32(0.5)), "from 0.5 to inf"),
    ],
)
def test_values_without_a_known_range_are_named(values, said):
    why = broken_of(file_of(Image.fromarray(values), "TIFF"))
    assert why == f"grey values {said}, of which the range is not known; save it as 8-bit or 16-bit grey"


def shown(colour, alpha):
    """Return what a viewer shows of a colour over white."""
    return [round(value * alpha / 255 + 255 * (255 - alpha) / 255) for value in colour]


HALF = np.full((16, 16), 255, np.uint8)
HALF[:8], HALF[8:12] = 0, 128  # the upper half transparent, then half transparent, then opaque


def over_white(mode, suffix):
    colour = (200, 60, 10) if mode in ("RGBA", "PA", "P") else (60, 60, 60)
    picture = Image.new("RGB", (16, 16), colour)
    if mode == "LA":
        picture = picture.convert("L")
    picture.putalpha(Image.fromarray(HALF))
    if mode == "P":  # three entries of one colour, which differ in how transparent they are
        picture = Image.fromarray((HALF > 0).astype(np.uint8) + (HALF > 128), "P")
        picture.putpalette(colour * 3)
        return colour, file_of(picture, suffix, transparency=bytes([0, 128, 255]))
    return colour, file_of(picture, suffix, **({"lossless": True, "exact": True} if suffix == "WEBP" else {}))


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("RGBA", "PNG"), ("RGBA", "TIFF"), ("RGBA", "WEBP"), ("LA", "PNG"), ("LA", "TIFF"), ("P", "PNG")],
)
def test_what_is_transparent_is_white(mode, suffix):
    colour, content = over_white(mode, suffix)
    pixels = pixels_of(content)
    for row, alpha in ((2, 0), (9, 128), (14, 255)):
        assert np.abs(pixels[row, 8] - shown(colour, alpha)).max() <= 12  # Lanczos looks past the border nearby
    assert (pixels[0] == 255).all()
    assert np.abs(pixels[15, 3] - colour).max() <= 1


def test_a_transparent_colour_of_a_gif_is_white():
    picture = Image.new("P", (16, 16), 1)
    picture.putpalette([9, 9, 9, 200, 60, 10])
    picture.paste(0, (0, 0, 16, 8))
    pixels = pixels_of(file_of(picture, "GIF", transparency=0))
    assert (pixels[0] == 255).all()
    assert pixels[15, 8].tolist() == [200, 60, 10]


TWO = np.repeat([0, 3], 8)  # rows: the upper half 0, the lower half the brightest
KEYED = {  # a transparent colour, of each depth: its value is given in the units of the file
    "1 bit": png(16, 16, 1, 0, [b"\0\0" if v == 0 else b"\xff\xff" for v in TWO], (b"tRNS", b"\0\0")),
    "2 bits": png(16, 16, 2, 0, [(b"\x55" if v == 0 else b"\xff") * 4 for v in TWO], (b"tRNS", b"\0\1")),
    "4 bits": png(16, 16, 4, 0, [(b"\x77" if v == 0 else b"\xff") * 8 for v in TWO], (b"tRNS", b"\0\7")),
    "8 bits": png(16, 16, 8, 0, [bytes([77 if v == 0 else 255]) * 16 for v in TWO], (b"tRNS", b"\0\x4d")),
    "16 bits": png(16, 16, 16, 0, [(b"\x10\x20" if v == 0 else b"\xff\xff") * 16 for v in TWO], (b"tRNS", b"\x10\x20")),
    "RGB": png(16, 16, 8, 2, [(b"\1\2\3" if v == 0 else b"\xff" * 3) * 16 for v in TWO], (b"tRNS", b"\0\1\0\2\0\3")),
    "RGB of 16 bits": png(
        16, 16, 16, 2, [(b"\x11\x12\x13\x14\x15\x16" if v == 0 else b"\xff" * 6) * 16 for v in TWO],
        (b"tRNS", b"\x11\x12\x13\x14\x15\x16"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KEYED)
def test_a_transparent_colour_of_a_png_is_white(kind):
    assert (pixels_of(KEYED[kind]) == 255).all()


MODES = {
    "1": "PNG",
    "L": "PNG",
    "P": "PNG",
    "RGB": "PNG",
    "CMYK": "TIFF",
    "YCbCr": "TIFF",
    "LAB": "TIFF",
    "RGBX": "TIFF",
}


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_of_8_bits_is_shown_right(mode):
    colours = Image.new("RGB", (16, 16), (204, 51, 0))
    colours.paste((255, 255, 255), (0, 8, 16, 16))
    picture = colours.convert(mode if mode != "LAB" else "RGB")
    if mode == "LAB":
        from PIL import ImageCms

        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        picture = ImageCms.profileToProfile(colours, srgb, lab, outputMode="LAB")
    pixels = pixels_of(file_of(picture, MODES[mode]))
    assert np.abs(pixels[15, 8] - 255).max() <= 2
    if mode not in ("1", "L"):
        assert np.abs(pixels[0, 8] - (204, 51, 0)).max() <= 6  # LAB of 8 bits rounds
    if mode == "L":
        assert np.ptp(pixels[0, 8]) == 0


UP = np.zeros((16, 16, 3), np.uint8)
UP[:8, :8], UP[:8, 8:], UP[8:, :8] = (255, 0, 0), (0, 255, 0), (0, 0, 255)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["PNG", "TIFF", "WEBP", "TIFF I;16"])
def test_every_orientation_is_put_upright(orientation, suffix):
    back = {1: "none", 2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_90",
            7: "TRANSVERSE", 8: "ROTATE_270"}[orientation]  # fmt: skip
    upright = Image.fromarray(DEEP) if " " in suffix else Image.fromarray(UP)
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose[back])
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = pixels_of(file_of(stored, suffix[:4], exif=exif, **({"lossless": True} if suffix == "WEBP" else {})))
    expected = GREY[:, :, None] if " " in suffix else UP.astype(int)
    assert np.abs(pixels - expected).max() <= 1


@pytest.mark.parametrize("exif", [b"rubbish", b"", b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"])
def test_damaged_exif_does_not_break_a_photo(exif):
    rows = [np.repeat(row, 3).tobytes() for row in GREY]
    assert np.array_equal(pixels_of(png(16, 16, 8, 2, rows, (b"eXIf", exif))), np.repeat(GREY[:, :, None], 3, 2))


def test_a_photo_cut_short_is_broken_whatever_its_exif():
    whole = png(16, 16, 16, 0, [np.random.default_rng(0).bytes(32) for _ in range(16)], (b"eXIf", b"rubbish"))
    assert broken_of(whole[:-200])
