"""Whether a file is a photo, another image, or something else: its suffix decides, or else its first bytes.

A file with the suffix of an image is taken for a photo without a look into it: where it cannot be decoded it is broken,
and named, and a prediction has a row for it. Any other file is a photo where its first bytes are those of an image.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath

from harness.errors import DataError, arguments

HEAD = 32  # bytes, which tell what an image is
STARTS = {  # format -> its first bytes
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "GIF": rb"GIF8[79]a",
    "BMP": rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0",
    "TIFF": rb"II\*\0|MM\0\*|II\+\0|MM\0\+",
    "WebP": rb"RIFF.{4}WEBP",
    "AVIF": rb".{4}ftypavi[fs]",
    "HEIF": rb".{4}ftyp(?:hei[cfmsx]|hev[cmsx]|mif1|msf1)",
    "JPEG 2000": rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51",
    "JPEG XL": rb"\0\0\0\x0cJXL \r\n\x87\n",
}
NOT_READ = ("AVIF", "HEIF", "JPEG 2000", "JPEG XL")  # images that not every installation of Pillow can decode
SUFFIXES = (
    ".apng", ".avif", ".bmp", ".dib", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".jxl", ".png",
    ".tif", ".tiff", ".webp",
)  # fmt: skip
RAW = (".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".srw")  # TIFF inside, mostly
RUBBISH = ("__macosx", "@eadir", "desktop.ini", "ehthumbs.db", "thumbs.db")  # what systems leave behind, in lower case


def image_format(head: bytes) -> str:
    """Return the image format that begins with these bytes; empty where it is none of ``STARTS``."""
    return next((name for name, start in STARTS.items() if re.match(start, head, re.DOTALL)), "")


def is_rubbish(name: str) -> bool:
    """Return whether a file or folder of this name is hidden, or is what a system leaves behind.

    Args:
        name: Of the file or folder, without the folders above it.

    >>> is_rubbish(".DS_Store"), is_rubbish("cat.jpg")
    (True, False)
    """
    return arguments.text("name", name).startswith(".") or name.lower() in RUBBISH


def why_no_photo(name: str, head: Callable[[], bytes]) -> str:
    """Return why a file is no photo; empty where it is one.

    ``head`` reads its first ``HEAD`` bytes or raises OSError or DataError; it is called only where the name does not decide.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in SUFFIXES:
        return ""
    if suffix in RAW:
        return f"raw file of a camera ({suffix})"
    try:
        start = head()
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    except DataError:  # of an archive
        return "cannot be read (damaged)"
    if not start:
        return "empty"
    if image_format(start):
        return ""
    return f"not a photo ({suffix if re.fullmatch('[.][a-z][a-z0-9]{0,7}', suffix) else 'no known suffix'})"
