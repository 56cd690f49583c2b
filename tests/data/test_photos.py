"""Unlabelled photos: found in a folder or a zip, by the numbers in their names, and never two of one name."""

from __future__ import annotations

import zipfile

import pytest

from harness.data.photos import open_photos, photo_files
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
    with pytest.raises(DataError, match=r"must have photos \(.*\.jpg.*\), got none"), open_photos(place("a.txt")):
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
