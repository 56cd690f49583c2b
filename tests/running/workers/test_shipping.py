"""What is large in an opening travels to another machine once, and only where that machine does not have it."""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import RunFolderError
from harness.plugin.contracts import Weights
from harness.running.workers import shipping
from harness.running.workers.shipping import Arrival, Shipment


@dataclass(frozen=True)
class Boxes:
    """An opening with two arrays."""

    inputs: Any
    targets: Any
    sys_path: tuple[str, ...] = ()

    def with_arrays(self, change):
        return replace(self, inputs=change(self.inputs), targets=change(self.targets))


@pytest.fixture(autouse=True)
def _another_machine(tmp_path, monkeypatch):
    """A machine with a cache folder of its own, on which nothing has been looked at yet."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(shipping, "_verified", set())


@pytest.fixture
def boxes(tmp_path):
    """One array in memory alone, and one that is mapped from a file, from its middle on."""
    file = tmp_path / "inputs.npy"
    np.arange(60, dtype=np.uint8).tofile(file)
    mapped = np.memmap(file, np.uint8, "r", 20, (10, 4))
    return Boxes(mapped, np.arange(10, dtype=np.int64))


def sent(shipment):
    """The opening as it comes out of a machine's network."""
    return pickle.loads(pickle.dumps(shipment.opening))


def arrived(arrival, shipment):
    return arrival.unload({sha256: shipment.content(sha256) for sha256 in arrival.missing})


def kept(tmp_path):
    return sorted((tmp_path / "cache" / "shipped").glob("*"))


def test_what_travels_has_no_array_in_it(boxes):
    assert len(pickle.dumps(Shipment(replace(boxes, inputs=np.zeros(10**6))).opening)) < 2000


def test_only_what_the_machine_lacks_is_asked_for_and_it_is_kept(boxes, tmp_path):
    shipment = Shipment(boxes)
    arrival = Arrival(sent(shipment))
    assert arrival.missing == [hashlib.sha256(boxes.targets.tobytes()).hexdigest()]  # it sees the file of the other
    opened = arrived(arrival, shipment)
    np.testing.assert_array_equal(opened.inputs, boxes.inputs)
    np.testing.assert_array_equal(opened.targets, boxes.targets)
    assert opened.targets.dtype == np.int64
    assert isinstance(opened.targets, np.memmap)  # shared by the workers of the machine
    assert [file.stem for file in kept(tmp_path)] == arrival.missing
    assert Arrival(sent(shipment)).missing == []


@pytest.mark.parametrize("damage", [lambda file: file.write_bytes(bytes(60)), Path.unlink], ids=["other bytes", "gone"])
def test_a_file_of_that_name_with_other_bytes_is_not_taken(boxes, tmp_path, damage):
    shipment, inputs = Shipment(replace(boxes, inputs=boxes.inputs)), np.array(boxes.inputs)
    shipment._content = {sha256: np.array(content) for sha256, content in shipment._content.items()}
    damage(tmp_path / "inputs.npy")
    arrival = Arrival(sent(shipment))
    assert len(arrival.missing) == 2
    np.testing.assert_array_equal(arrived(arrival, shipment).inputs, inputs)


def test_what_was_kept_and_is_damaged_is_asked_for_again(boxes, tmp_path, monkeypatch):
    shipment = Shipment(boxes)
    arrived(Arrival(sent(shipment)), shipment)
    (file,) = kept(tmp_path)
    file.write_bytes(bytes(80))
    monkeypatch.setattr(shipping, "_verified", set())  # the next process
    arrival = Arrival(sent(shipment))
    assert arrival.missing == [file.stem]
    np.testing.assert_array_equal(arrived(arrival, shipment).targets, boxes.targets)


def test_where_nothing_can_be_kept_the_bytes_serve_as_they_came(boxes, tmp_path, capsys):
    (tmp_path / "cache").write_text("no folder")
    shipment = Shipment(boxes)
    np.testing.assert_array_equal(arrived(Arrival(sent(shipment)), shipment).targets, boxes.targets)
    assert "are not kept for the next command" in capsys.readouterr().err


def test_equal_arrays_travel_once(tmp_path):
    one = np.arange(8.0)
    arrival = Arrival(sent(Shipment(Boxes(one, one.copy()))))
    assert len(arrival.missing) == 1


@pytest.mark.parametrize(
    "array", [np.empty((0, 3), np.float32), np.arange(12.0).reshape(3, 4)[:, ::2], np.float32([7])]
)
def test_arrays_of_any_layout_arrive(array):
    shipment = Shipment(Boxes(array, array))
    opened = arrived(Arrival(sent(shipment)), shipment)
    np.testing.assert_array_equal(opened.inputs, array)
    assert (opened.inputs.dtype, opened.inputs.shape) == (array.dtype, array.shape)


def test_pretrained_weights_get_the_path_that_they_have_there(tmp_path):
    file = tmp_path / "driver" / "net.safetensors"
    file.parent.mkdir()
    file.write_bytes(b"weights")
    weights = Weights(file, hashlib.sha256(b"weights").hexdigest(), (0.5,), (0.5,))
    parcel, content = shipping._parcel_of(weights), {weights.sha256: np.frombuffer(b"weights", np.uint8)}
    assert shipping._weights_here(weights, {}).file == file  # a machine that sees the same file
    file.unlink()
    shipping._verified.clear()
    assert shipping._place_of(parcel) is None
    with pytest.raises(
        RunFolderError, match=rf"net\.safetensors: .*{weights.sha256[:12]}.*; copy the driver's file to this path"
    ):
        shipping._weights_here(weights, {})
    there = shipping._weights_here(weights, content)
    assert there.file.read_bytes() == b"weights"
    assert there.file.suffix == ".safetensors"
    assert there.sha256 == weights.sha256
