"""Unpacking: what was packed comes out, and nothing that an archive should not do is done."""

from __future__ import annotations

import io
import tarfile
import zipfile

import pytest

from harness.data import unpack as module
from harness.data.unpack import unpack
from harness.errors import DataError

FILES = {"a/1.jpg": b"one" * 1000, "a/b/2.jpg": b"two" * 999, "3.jpg": b""}


def quiet(*_):
    """Take progress and say nothing."""


def pack(file, files=FILES, mode="w:gz", more=()):
    with tarfile.open(file, mode) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for info in more:
            tar.addfile(info)
    return file


def there(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_comes_out_as_it_was(tmp_path, mode):
    assert unpack(pack(tmp_path / "a", mode=mode), tmp_path / "out", quiet) == 3
    assert there(tmp_path / "out") == FILES


def test_a_zip_comes_out_too(tmp_path):
    with zipfile.ZipFile(tmp_path / "a", "w") as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    assert unpack(tmp_path / "a", tmp_path / "out", quiet) == 3
    assert there(tmp_path / "out") == FILES


def test_what_is_hidden_stays_in(tmp_path):
    unpack(pack(tmp_path / "a", {"./a/1": b"1", "a/._1": b"2", ".b/c": b"3"}), tmp_path / "out", quiet)
    assert there(tmp_path / "out") == {"a/1": b"1"}


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "a\\..\\evil", "C:/evil", ".."])
def test_a_name_that_leads_out_is_refused(tmp_path, name):
    with pytest.raises(DataError, match="do not trust it"):
        unpack(pack(tmp_path / "a", {"1.jpg": b"1", name: b"evil"}), tmp_path / "in" / "out", quiet)
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_only_files_and_folders_come_out(tmp_path, kind):
    info = tarfile.TarInfo("link")
    info.type, info.linkname = kind, "/etc/passwd"
    with pytest.raises(DataError, match=r"must have only files and folders, got a .*'link'"):
        unpack(pack(tmp_path / "a", more=[info]), tmp_path / "out", quiet)


@pytest.mark.parametrize("left", [5, 0.3, 0.9, -1, -4])  # bytes, a part of them, or all but so many
def test_an_archive_cut_short_is_refused(tmp_path, left):
    content = pack(tmp_path / "a", {"1": bytes(range(256)) * 99, "2": b"2"}).read_bytes()
    (tmp_path / "a").write_bytes(content[: int(left * len(content)) if isinstance(left, float) else left])
    with pytest.raises(DataError, match=r"must be a whole archive, got '.*'; remove it and get it again"):
        unpack(tmp_path / "a", tmp_path / "out", quiet)


def test_a_damaged_byte_is_noticed_by_the_archives_own_checksum(tmp_path):
    content = bytearray(pack(tmp_path / "a", {"1": b"x" * 9999}).read_bytes())
    content[-6] ^= 1  # of the CRC at the end
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(DataError, match="must be a whole archive, got 'CRC check failed"):
        unpack(tmp_path / "a", tmp_path / "out", quiet)


def test_a_bomb_is_refused_before_it_is_large(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SMALL", 10_000)
    with pytest.raises(DataError, match="must not unpack to more than it should"):
        unpack(pack(tmp_path / "a", {str(i): bytes(1000) for i in range(500)}), tmp_path / "out", quiet)
    assert 1000 * len(there(tmp_path / "out")) <= module.MOST_RATIO * (tmp_path / "a").stat().st_size
    monkeypatch.setattr(module, "MOST_OF_A_MEMBER", 100)
    with pytest.raises(DataError, match="must have members of at most"):
        unpack(pack(tmp_path / "b", {"1": bytes(101)}), tmp_path / "out", quiet)
