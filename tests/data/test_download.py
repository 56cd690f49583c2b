"""Downloading, from a server in this process: resumed where it broke off, and nothing believed that is not checked."""

from __future__ import annotations

import hashlib
import io
import socket
import tarfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from harness.cli.data_get import DownloadRequest, get_photos
from harness.console.progress import Reporter
from harness.data import download
from harness.data.download import fetch
from harness.data.places import downloads_folder
from harness.errors import DataError
from harness.plugin.contracts import Dataset, Download
from harness.plugin.registry import Offered, Registry

FILES = {"train/cats": 3, "valid/cats": 2}


def quiet(*_):
    """Take progress and say nothing."""


class Server:
    """Serves ``content`` at every path; it may break off, not know ranges, or not say what it serves."""

    def __init__(self, content):
        self.content = content
        self.tag = '"one"'
        self.breaks = []  # after how many bytes the next answers end
        self.ranges = True
        self.says_length = True
        self.asked = []  # the Range of every request
        self.status = 200

    def answer(self, handler):
        wanted = handler.headers.get("Range")
        self.asked.append(wanted)
        if self.status != 200:
            handler.send_error(self.status)
            return
        start = int(wanted[6:-1]) if wanted and self.ranges and handler.headers["If-Range"] == self.tag else 0
        handler.send_response(206 if start else 200)
        if self.tag:
            handler.send_header("ETag", self.tag)
        if self.says_length:
            handler.send_header("Content-Length", str(len(self.content) - start))
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        handler.end_headers()
        end = self.breaks.pop(0) if self.breaks else len(self.content)
        handler.wfile.write(self.content[start : start + end])
        handler.close_connection = True


@pytest.fixture
def server(monkeypatch):
    """A server with 100,000 bytes, and its address."""
    served = Server(bytes(i * i % 251 for i in range(100_000)))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            served.answer(self)

        def log_message(self, *_):
            pass

    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(download.time, "sleep", lambda _: None)
    monkeypatch.setattr(download, "CHUNK", 10_000)
    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=listening.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    served.url = f"http://127.0.0.1:{listening.server_port}/data/photos.tgz"
    yield served
    listening.shutdown()
    listening.server_close()
    thread.join()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def test_a_file_comes_whole_and_is_not_fetched_twice(server, tmp_path):
    for _ in range(2):
        assert fetch(server.url, tmp_path / "a" / "b", "", quiet) == sha256(server.content)
    assert (tmp_path / "a" / "b").read_bytes() == server.content
    assert server.asked == [None]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_a_transfer_that_breaks_off_goes_on_by_itself(server, tmp_path):
    server.breaks = [30_000, 20_000]
    fetch(server.url, tmp_path / "a", sha256(server.content), quiet)
    assert server.asked == [None, "bytes=30000-", "bytes=50000-"]


def test_an_interrupted_transfer_goes_on_with_the_next_command(server, tmp_path):
    def interrupt(what, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(server.url, tmp_path / "a", "", interrupt)
    assert not (tmp_path / "a").exists()
    assert fetch(server.url, tmp_path / "a", "", quiet) == sha256(server.content)
    assert server.asked == [None, "bytes=10000-"]


def test_a_server_that_brings_nothing_more_is_given_up_and_what_came_is_kept(server, tmp_path):
    server.breaks = [30_000] + [0] * 99
    with pytest.raises(DataError, match=r"must be sent whole, got 0\.0 MB .*; the same command goes on from there"):
        fetch(server.url, tmp_path / "a", "", quiet)
    assert len(server.asked) == 2
    server.breaks = []
    assert fetch(server.url, tmp_path / "a", "", quiet) == sha256(server.content)
    assert server.asked[-1] == "bytes=30000-"


@pytest.mark.parametrize("what", ["other file", "no ranges", "no tag", "other address"])
def test_the_rest_is_never_put_to_the_beginning_of_something_else(server, tmp_path, what):
    server.breaks = [30_000, 0]
    server.tag = "" if what == "no tag" else server.tag
    server.ranges = what != "no ranges"
    with pytest.raises(DataError):
        fetch(server.url, tmp_path / "a", "", quiet)
    server.breaks = []
    if what == "other file":
        server.content, server.tag = server.content[::-1], '"two"'
    url = f"{server.url}?2" if what == "other address" else server.url
    fetch(url, tmp_path / "a", "", quiet)
    assert (tmp_path / "a").read_bytes() == server.content


def test_a_wrong_checksum_is_refused_and_the_file_removed(server, tmp_path):
    with pytest.raises(DataError, match=f"must have the SHA-256 {'0' * 64}, got {sha256(server.content)}"):
        fetch(server.url, tmp_path / "a", "0" * 64, quiet)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_is_one_line(server, tmp_path):
    server.status = 404
    with pytest.raises(DataError, match=r"must be there, got 404 Not Found; .*--from URL"):
        fetch(server.url, tmp_path / "a", "", quiet)


def test_no_network_is_said_within_seconds(tmp_path, server):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(DataError, match=r"must be reachable, got no connection: .*refused"):
        fetch(f"http://127.0.0.1:{port}/a", tmp_path / "a", "", quiet)
    # This one takes the connection and says nothing. The connection's own time-out, after half a minute, has other words.
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(DataError, match="must be reachable, got no connection: no answer within 0 s"),
    ):
        fetch(f"http://127.0.0.1:{silent.getsockname()[1]}/a", tmp_path / "a", "", quiet, patience=0.1)


# --- the whole command


def archive(files=FILES, top="dogscats/", evil=""):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for folder, count in files.items():
            for i in range(count):
                info = tarfile.TarInfo(f"{top}{folder}/{i}.jpg")
                info.size = 5
                tar.addfile(info, io.BytesIO(b"photo"))
        if evil:
            tar.addfile(tarfile.TarInfo(evil))
    return packed.getvalue()


@pytest.fixture
def get(server, tmp_path, monkeypatch):
    """Return a function that gets a dataset of the server, and what it said; the folder of downloads is empty."""
    monkeypatch.setenv("HARNESS_DOWNLOADS", str(tmp_path / "downloads"))
    said = []
    monkeypatch.setattr(Reporter, "say", lambda self, text, style="", brief=False: said.append(text))
    server.content = archive()

    def call(declared="", **more):
        offer = Dataset("pets", open, download=Download(server.url, FILES, sha256=declared, license="ask first"))
        registry = Registry()
        registry.offers["dataset"] = {
            "pets": Offered(offer, "x", "y", "z"),
            "none": Offered(Dataset("none", open), "", "", ""),
        }
        said.clear()
        return get_photos(DownloadRequest(**{"dataset": "pets", **more}), registry, Reporter(quiet=True)), said

    return call


def test_photos_come_to_where_the_dataset_looks(get, server):
    folder, said = get()
    assert folder == downloads_folder() / "pets"
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg")) == [
        "train/cats/0.jpg", "train/cats/1.jpg", "train/cats/2.jpg", "valid/cats/0.jpg", "valid/cats/1.jpg"
    ]  # fmt: skip
    assert [path.name for path in folder.parent.iterdir()] == ["pets"]
    assert "note: ask first" in said
    assert said[-1].startswith("note: no SHA-256 of this archive is known")
    assert said[-1].endswith(sha256(server.content))
    _, said = get()
    assert said == [f"already there: train/cats 3, valid/cats 2 in {folder}"]
    assert len(server.asked) == 1


def test_a_known_checksum_is_compared(get, server, tmp_path):
    right = sha256(server.content)
    _, said = get(right, to=tmp_path / "mine")
    assert said[-1] == f"its SHA-256 is as expected: {right}"
    assert (tmp_path / "mine" / "valid" / "cats").is_dir()
    for declared, more in (("0" * 64, {}), (right, {"sha256": "1" * 64}), ("", {"sha256": "2" * 64})):
        with pytest.raises(DataError, match="must have the SHA-256"):
            get(declared, **more)
    get("0" * 64, url=server.url)  # the checksum is of the dataset's own address
    with pytest.raises(DataError, match="--sha256: must be 64 hex digits, got 'abc'"):
        get(sha256="abc")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (archive(evil="../../evil"), "must have members that stay inside the folder"),
        (archive({"train/cats": 3}), "must have the folders train/cats, valid/cats, got dogscats"),
        (archive({**FILES, "valid/cats": 1}), "must have 2 files in valid/cats, got 1"),
        (archive()[:-9], "must be a whole archive"),
        (b"<html>not an archive</html>" * 99, "must be a whole archive"),
    ],
)
def test_what_is_not_as_expected_is_refused_and_leaves_nothing(get, server, tmp_path, content, why):
    server.content = content
    with pytest.raises(DataError, match=why):
        get()
    assert not (downloads_folder() / "pets").exists()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    server.content, server.tag = archive(top=""), '"two"'
    get()


def test_another_address_may_have_fewer_photos_but_the_same_folders(get, server):
    server.content = archive({**FILES, "train/cats": 1})
    folder, said = get(url=f"{server.url}?mirror")
    assert f"train/cats 1, valid/cats 2 in {folder}" in said


def test_other_files_are_never_overwritten(get, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(DataError, match="must be an empty folder or not be there, got other files in it"):
        get(to=tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "all of it"


def test_a_dataset_without_an_address_is_refused(get):
    with pytest.raises(DataError, match="must name a dataset that says where it can be got, got 'none'; there is pets"):
        get(dataset="none")
    with pytest.raises(DataError, match="--from: must be an address, http or https, got 'file:///etc/passwd'"):
        get(url="file:///etc/passwd")


def test_the_command_ends_with_2_where_nothing_is_reachable(capsys, tmp_path, server):
    from harness.cli.app import main

    server.status = 503
    with pytest.raises(SystemExit) as ended:
        main(["data", "get", "dogscats", "--to", str(tmp_path / "to"), "--from", server.url])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: {server.url}: must be there, got 503")
    assert list(tmp_path.iterdir()) == []
