"""Files of a run folder: whole or not at all, on the disk before they have their name, and never believed when damaged."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest
import torch

from harness.errors import DiskError, RunFolderError
from harness.models import trained
from harness.plugin.runs import State
from harness.records import Store, files, schema
from harness.records import store as module
from harness.records.checked import load_arrays, load_tensors, save_tensors
from harness.running.workers.worker import Worker

TENSORS = {
    "weight": torch.arange(12, dtype=torch.float32).reshape(3, 4).T,
    "step": torch.tensor(7),
    "half": torch.full((5,), 1.5, dtype=torch.bfloat16),
    "mask": torch.tensor([True, False, True]),
    "phase": torch.tensor([1 + 2j]),
    "empty": torch.zeros(0),
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc says which file a handle is of")
def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_name_is_before_the_writer_goes_on(tmp_path, monkeypatch):
    order, sync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(
        os, "fsync", lambda handle: (order.append(str(Path(f"/proc/self/fd/{handle}").readlink())), sync(handle))
    )
    monkeypatch.setattr(type(tmp_path), "replace", lambda old, new: (order.append("renamed"), replace(old, new)))
    files.write(tmp_path / "a", b"content")
    assert [each.removeprefix(str(tmp_path)) for each in order] == [f"/a.{os.getpid()}.tmp", "renamed", ""]
    assert (tmp_path / "a").read_bytes() == b"content"


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    files.write(tmp_path / "a", b"old")
    with pytest.raises(TypeError), files.replacing(tmp_path / "a") as out:
        out.writelines([b"half of the ne", None])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"old"}


def test_tensors_come_back_as_they_were_with_their_notes(tmp_path):
    from safetensors.torch import load_file

    save_tensors(tmp_path / "a", TENSORS, {"plain": '{"é": 1}'})
    tensors, notes = load_tensors(tmp_path / "a")
    assert notes == {"plain": '{"é": 1}'}
    for found in (tensors, load_file(tmp_path / "a")):  # it is a file like any other of its format
        assert set(found) == set(TENSORS)
        for name, tensor in TENSORS.items():
            assert found[name].dtype == tensor.dtype
            torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)


def test_a_changed_bit_anywhere_is_noticed(tmp_path):
    save_tensors(tmp_path / "a", TENSORS, {"plain": "{}"})
    content = (tmp_path / "a").read_bytes()
    padding = range(8 + content[8:].index(b"}}") + 2, 8 + int.from_bytes(content[:8], "little"))  # it says nothing
    for place in set(range(len(content))) - set(padding):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        (tmp_path / "a").write_bytes(changed)
        with pytest.raises(
            RunFolderError, match=r"a: must be as it was written, got .*; the same 'harness run' makes it again"
        ):
            load_tensors(tmp_path / "a")


def of_a_trained_network(file):
    return trained._load_state(torch.nn.Linear(1, 1), file)


def of_a_worker(file):
    worker = object.__new__(Worker)
    worker._solutions = {"x": str(file)}
    return worker._solution("x")


def of_the_records(file):
    store = object.__new__(Store)
    store.folder = file.parent.parent
    return store.solution(file.stem)


READERS = (load_tensors, load_arrays, of_a_trained_network, of_a_worker, of_the_records)


@pytest.mark.parametrize("read", READERS)
def test_a_disk_that_cannot_be_read_is_no_damage(tmp_path, monkeypatch, read):
    def refuse(file):
        raise OSError(errno.EIO, "Input/output error", str(file))

    file = schema.solution(tmp_path, "x")
    file.parent.mkdir()
    save_tensors(file, TENSORS)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DiskError, match=r"must be readable, got 'Input/output error'.*; look after the disk"):
        read(file)


@pytest.mark.parametrize("read", READERS)
def test_weights_that_are_gone_are_missing(tmp_path, read):
    with pytest.raises(RunFolderError, match=r"x\.safetensors: must be there for this, got nothing; .* makes it again"):
        read(schema.solution(tmp_path, "x"))


def other_run(file):
    tensors, notes = load_tensors(file)
    save_tensors(file, tensors, {**notes, "run": "another"})


def flipped(file):
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


DAMAGE = {
    "cut": lambda file: os.truncate(file, file.stat().st_size - 100),
    "cut in the header": lambda file: os.truncate(file, 40),
    "empty": lambda file: file.write_bytes(b""),
    "zeros": lambda file: file.write_bytes(bytes(file.stat().st_size)),
    "rubbish": lambda file: file.write_bytes(b"\xa5" * 5000),
    "a flipped bit": flipped,
    "another run": other_run,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_state_is_put_aside_in_one_line(tmp_path, damage):
    lines = []
    with module.Store(tmp_path, lines.append) as store:
        file = tmp_path / "states" / "run.safetensors"
        assert store.state("run") is None
        assert lines == []
        save_tensors(file, TENSORS, {"run": "run", "plain": '{"epoch": 3}'})
        assert isinstance(store.state("run"), State)
        DAMAGE[damage](file)
        assert store.state("run") is None
        assert store.state("run") is None  # said once
        (line,) = lines
        assert line.startswith(f"{file}: must be the saved state of a run, got ")
        assert line.endswith("; it is put aside as run.safetensors.damaged, and the run begins again")
        assert "\n" not in line
    assert [path.name for path in (tmp_path / "states").iterdir()] == ["run.safetensors.damaged"]
