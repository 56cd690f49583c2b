"""TensorBoard: curves of every training, in event files that ``tensorboard --logdir`` shows.

    RUN/listeners/tensorboard/PHASE/ARM/seed-N/events.out.tfevents...

The files are written here, without TensorBoard and without torch: an event file is a row of records, each with its length
and two checksums (CRC-32C, masked), and each record is a message of protocol buffers with a few fields. A call of ``harness
run`` writes files of its own, so a file that a kill has cut short does no harm to those that follow.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from harness import Listener, ListenerRequest, Occurrence, hookimpl
from harness_plugins.listeners._numbers import hyperparameters, metrics_of, plain_name, verdict_lines

TEXT, STRING = b"text", 7  # the plugin of TensorBoard that shows texts, and the type of a tensor of strings


class Board:
    """Writes what it hears into event files, one for each training."""

    def __init__(self, request: ListenerRequest) -> None:
        self._folder = request.folder
        self._session = f"{time.time():.3f}.{os.getpid()}"
        self._folders: dict[str, Path] = {}  # by training

    def __call__(self, occurrence: Occurrence) -> None:
        """Write an occurrence."""
        values = occurrence.values
        match occurrence.kind:
            case "began":
                self._folder_of(occurrence)
                settings = hyperparameters(values)
                rows = [f"| {name} | {value} |" for name, value in settings.items()]
                text = "\n".join(["| setting | value |", "| --- | --- |", *rows])
                self._write(self._folder_of(occurrence), 0, [_text("settings", text)])
            case "epoch":
                numbers = [_number(name, value) for name, value in metrics_of(values)]
                self._write(self._folder_of(occurrence), values["epoch"], numbers)
            case "ended":
                step = len(values["epochs"])
                at_end = [(name, value) for name, value in metrics_of(values) if name.startswith("test_")]
                ends = [_number(name, value) for name, value in at_end]
                state = f"{values['state']}: {values['reason']}" if values["reason"] else values["state"]
                self._write(self._folder_of(occurrence), step, [*ends, _text("state", state)])
            case "trial" if values["value"] is not None:
                place = self._folder / "trials" / Path(*map(plain_name, occurrence.arm.split("/")))
                self._write(place, values["number"], [_number("tune score of trials", values["value"])])
            case "verdict":
                self._write(self._folder / "verdict", 0, [_text("verdict", "\n".join(verdict_lines(values)))])

    def _folder_of(self, occurrence: Occurrence) -> Path:
        """Return the folder of a training; one that began in an earlier call goes on under its id."""
        if occurrence.kind == "began":
            names = (occurrence.values["phase"], *occurrence.arm.split("/"), occurrence.run)
            self._folders[occurrence.run] = self._folder / Path(*map(plain_name, names))
        if occurrence.run not in self._folders:
            event_folder = next(self._folder.glob(f"*/**/{occurrence.run}"), None)
            self._folders[occurrence.run] = event_folder or self._folder / "other" / occurrence.run
        return self._folders[occurrence.run]

    def _write(self, folder: Path, step: int, values: Iterable[bytes]) -> None:
        """Append an event to a folder's file of this session, after the record with which every file begins."""
        summary = b"".join(_field(1, value) for value in values)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"events.out.tfevents.{self._session}"
        with file.open("ab") as out:
            if not out.tell():
                out.write(_record(_event(_field(3, b"brain.Event:2"))))
            if summary:
                out.write(_record(_event(_key(2, 0) + _varint(step) + _field(5, summary))))


def _event(content: bytes) -> bytes:
    """Return an event of now: its time in seconds, and its content."""
    return _key(1, 1) + struct.pack("<d", time.time()) + content


def _number(tag: str, value: float) -> bytes:
    return _field(1, tag.encode()) + _key(2, 5) + struct.pack("<f", value)


def _text(tag: str, text: str) -> bytes:
    """Return a text, which is a tensor of one string."""
    metadata = _field(1, _field(1, TEXT))
    tensor = _key(1, 0) + _varint(STRING) + _field(2, _field(2, _key(1, 0) + _varint(1))) + _field(8, text.encode())
    return _field(1, tag.encode()) + _field(9, metadata) + _field(8, tensor)


def _key(number: int, kind: int) -> bytes:
    return _varint(number << 3 | kind)


def _field(number: int, content: bytes) -> bytes:
    """Return a field with a length: a text, bytes or a message."""
    return _key(number, 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _record(content: bytes) -> bytes:
    """Return a record of an event file: length, checksum of the length, content, checksum of the content."""
    length = struct.pack("<Q", len(content))
    return length + _checksum(length) + content + _checksum(content)


def _checksum(content: bytes) -> bytes:
    """Return the masked CRC-32C of bytes."""
    crc, table = 0xFFFFFFFF, _table()
    for byte in content:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


@lru_cache(1)
def _table() -> tuple[int, ...]:
    """Return the remainders of all bytes by Castagnoli's polynomial, reversed."""
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


@hookimpl
def harness_listeners() -> list[Listener]:
    """Offer tensorboard."""
    return [Listener(name="tensorboard", open=Board, reference="https://www.tensorflow.org/tensorboard")]
