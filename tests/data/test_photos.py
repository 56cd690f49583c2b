"""Unlabelled photos: found in a folder or a zip, by the numbers in their names, and never two of one name."""

from __future__ import annotations

import os
import zipfile

import pytest

from harness.data.photos import Skipped, open_photos, photo_files, skipped_line
from harness.errors import DataError


@pytest.fixture(params=["folder", "zip"])
def place(request, tmp_path):
    """Return a function that writes files into a folder or a zip."""

    def write(*names):
        if request.param == "zip":
            with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
                for name in names:
                    archive.writestr(name, name)
            return tmp_path / "a.zip"
        for name in names:
            (tmp_path / "a" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "a" / name).write_text(name)
        return tmp_path / "a"

    return write


def test_photos_come_by_number_and_the_others_by_name(place):
    where = place("test1/10.jpg", "test1/9.JPG", "test1/007.png", "test1/b.jpg", "test1/a.1.jpg", "1/note.txt")
    with open_photos(where) as photos:
        assert [each.id for each in photos] == ["7", "9", "10", "a.1.jpg", "b.jpg"]
        assert [each.photo.read().decode().rpartition("/")[2] for each in photos][:3] == ["007.png", "9.JPG", "10.jpg"]


LONG = "0" * 20 + "7" * 13


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ("number", ["1", "12", "7" * 13, "00c0.png", "c0ffee.jpg"]),
        ("name", ["00001", "012", LONG, "00c0", "c0ffee"]),
    ],
)
def test_ids_are_numbers_or_bare_names(tmp_path, ids, expected):
    for name in ("00001.jpg", "012.png", f"{LONG}.jpg", "00c0.png", "c0ffee.jpg"):
        (tmp_path / name).write_bytes(b"")
    with open_photos(tmp_path, ids=ids) as photos:
        assert [each.id for each in photos] == expected


def test_names_that_are_one_number_are_two_names(tmp_path):
    for name in ("1.jpg", "01.jpg"):
        (tmp_path / name).write_bytes(b"")
    with open_photos(tmp_path, ids="name") as photos:
        assert sorted(each.id for each in photos) == ["01", "1"]
    with pytest.raises(DataError, match="must have photos of different names"), open_photos(tmp_path):
        pass


def test_what_is_hidden_is_no_photo(place):
    with open_photos(place("1.jpg", "._1.jpg", ".trash/2.jpg", "__MACOSX/._3.jpg")) as photos:
        assert [each.id for each in photos] == ["1"]


@pytest.mark.parametrize("names", [("a/1.jpg", "b/1.jpg"), ("1.jpg", "01.png"), ("a/x.jpg", "b/x.jpg")])
def test_two_of_one_name_are_refused(place, names):
    with pytest.raises(DataError, match="must have photos of different names"), open_photos(place(*names)):
        pass


def test_no_photos_are_refused(place, tmp_path):
    with pytest.raises(DataError, match=r"must have photos \(JPEG, .*\), got none"), open_photos(place("a.txt")):
        pass
    with pytest.raises(DataError, match="must be a folder or a zip archive of photos, got nothing there"):
        open_photos(tmp_path / "none").__enter__()
    (tmp_path / "b.txt").write_text("b")
    with pytest.raises(DataError, match="must be a folder or a zip archive of photos, got another file"):
        open_photos(tmp_path / "b.txt").__enter__()


def test_a_link_to_nothing_is_a_photo_that_cannot_be_read(tmp_path):
    (tmp_path / "1.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "folder.jpg").mkdir()
    assert photo_files(tmp_path) == [tmp_path / "1.jpg"]


JPEG = b"\xff\xd8\xff\xe0 what follows does not matter"


def test_a_photo_is_known_by_its_first_bytes_and_others_are_passed_over_by_reason(place):
    where = place("1.jpg", "note.txt", "Thumbs.db", "x/readme", "dir.jpg/2.jpe")
    if where.is_dir():
        (where / "3").write_bytes(JPEG)
        (where / "empty").touch()
    else:
        with zipfile.ZipFile(where, "a") as archive:
            archive.writestr("3", JPEG)
            archive.writestr("empty", b"")
    skipped = Skipped(where)
    with open_photos(where, skipped) as photos:
        assert [each.id for each in photos] == ["1", "2", "3"]
    assert skipped.by_reason == {
        "not a photo (.txt)": ["note.txt"],
        "not a photo (no known suffix)": ["x/readme"],
        "empty": ["empty"],
    }


def test_a_number_without_a_suffix_is_a_number(tmp_path):
    for name in ("10", "9", "007", "b"):
        (tmp_path / name).write_bytes(JPEG)
    with open_photos(tmp_path) as photos:
        assert [each.id for each in photos] == ["7", "9", "10", "b"]


def test_linked_folders_are_read_once_and_a_loop_does_no_harm(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    for file in (root / "a" / "1.jpg", outside / "deep" / "2.jpg"):
        file.parent.mkdir(parents=True)
        file.write_bytes(JPEG)
    (root / "0").symlink_to("a")  # before "a", and "a" keeps its path
    (root / "linked").symlink_to(outside)
    (root / "linked2").symlink_to(outside)
    (root / "a" / "loop").symlink_to("..")
    (outside / "deep" / "loop").symlink_to(root)
    (root / "itself").symlink_to("itself")
    skipped = Skipped(root)
    assert photo_files(root, skipped) == [root / "a" / "1.jpg", root / "linked" / "deep" / "2.jpg"]
    assert {reason: sorted(names) for reason, names in skipped.by_reason.items()} == {
        "link to a folder above it or read already": ["0", "a/loop", "linked/deep/loop", "linked2"],
        "link to nothing": ["itself"],
    }


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.jpg")
    skipped = Skipped(tmp_path)
    assert photo_files(tmp_path, skipped) == []
    assert skipped.by_reason == {"not a regular file": ["pipe", "pipe.jpg"]}


def test_what_is_passed_over_is_said_in_one_line():
    assert skipped_line({}) == ""
    assert skipped_line({"empty": ["a"]}) == "1 file is passed over, 1 empty: a"
    assert skipped_line({"empty": ["a"], "not a photo (.txt)": list("bcde")}) == (
        "5 files are passed over, 1 empty: a; 4 not a photo (.txt): b, c, d ..."
    )
