"""What a file is: by its first bytes, whatever its name; and what systems leave behind is rubbish."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from harness.data.kinds import HEAD, NOT_READ, STARTS, SUFFIXES, image_format, is_rubbish, why_no_photo
from harness.data.squares import FORMATS
from harness.errors import DataError


def head_of(kind, **options):
    content = io.BytesIO()
    Image.new("RGB", (9, 9), (1, 2, 3)).save(content, kind, **options)
    return content.getvalue()[:HEAD]


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_that_is_read_is_known_by_its_first_bytes(kind):
    assert image_format(head_of(kind)).upper() == kind


def test_both_byte_orders_and_large_tiffs_are_known():
    assert {image_format(start) for start in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")} == {"TIFF"}


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\0\0\0\x20ftypavif\0\0\0\0", "AVIF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIF"),
        (b"\0\0\0\x0cjP  \r\n\x87\n\0\0", "JPEG 2000"),
        (b"\0\0\0\x0cJXL \r\n\x87\n\0\0", "JPEG XL"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", ""),
        (b"BM is how this text begins, and it goes on", ""),
        (b"%PDF-1.7", ""),
        (b"<html>", ""),
        (b"", ""),
    ],
)
def test_other_images_are_known_and_nothing_else_is_one(start, kind):
    assert image_format(start) == kind
    assert kind in (*NOT_READ, "")
    assert set(NOT_READ) < set(STARTS)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_photos_suffix_decides_without_a_look(suffix):
    def never():
        raise AssertionError

    assert why_no_photo(f"a{suffix.upper()}", never) == ""


def failing(error):
    def head():
        raise error

    return head


@pytest.mark.parametrize(
    ("name", "head", "why"),
    [
        ("a", lambda: head_of("JPEG"), ""),
        ("a.txt", lambda: head_of("PNG"), ""),
        ("a.txt", lambda: b"text", "not a photo (.txt)"),
        ("a", lambda: b"text", "not a photo (no known suffix)"),
        ("cat.17", lambda: b"text", "not a photo (no known suffix)"),
        ("a.md5", lambda: b"", "empty"),
        ("a.NEF", lambda: b"II*\0", "raw file of a camera (.nef)"),
        ("a", failing(PermissionError(13, "Permission denied")), "cannot be read (Permission denied)"),
        ("a", failing(DataError("damaged")), "cannot be read (damaged)"),
    ],
)
def test_why_a_file_is_no_photo(name, head, why):
    assert why_no_photo(name, head) == why


def test_rubbish():
    assert all(map(is_rubbish, (".DS_Store", "._a.jpg", ".ipynb_checkpoints", "Thumbs.db", "__MACOSX", "@eaDir")))
    assert not any(map(is_rubbish, ("a.jpg", "macosx", "thumbs", "_a.jpg")))
