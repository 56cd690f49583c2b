"""Tensors and arrays in files with a checksum in the header, which every reader verifies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harness.errors import DiskError, RunFolderError, disk, one_line
from harness.records import files

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

Loaded = TypeVar("Loaded")  # a tensor or an array

MOST_HEADER = 100_000_000  # bytes, of a file in safetensors' format: no reader of it takes more
AGAIN = "the same 'harness run' makes it again"  # what the records promise and the folder lacks


def save_tensors(file: Path, tensors: Mapping[str, torch.Tensor], notes: Mapping[str, str] | None = None) -> None:
    """Write tensors as safetensors, with notes and a checksum, whole or not at all."""
    from safetensors.torch import save

    # Cloned, because safetensors refuses two names for one memory (tied weights).
    on_cpu = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    _write(file, save(on_cpu), notes or {})


def load_tensors(file: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return the tensors and notes that ``save_tensors`` wrote; raises RunFolderError, or DiskError, if they cannot be read."""
    from safetensors.torch import load

    return _loaded(file, load)


def save_arrays(file: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays as safetensors, with a checksum, whole or not at all."""
    from safetensors.numpy import save

    _write(file, save(dict(arrays)), {})


def load_arrays(file: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays, by name, that ``save_arrays`` wrote; raises RunFolderError, or DiskError, if they cannot be read."""
    from safetensors.numpy import load

    return _loaded(file, load)[0]


def _loaded(file: Path, load: Callable[[bytes], dict[str, Loaded]]) -> tuple[dict[str, Loaded], dict[str, str]]:
    """Return what a function of safetensors makes of a file's content, and the notes of the file."""
    try:
        content, notes = _read(file)
        return load(content), notes
    except DiskError:  # what is in it is not known
        raise
    except FileNotFoundError as error:
        raise RunFolderError(f"{file}: must be there for this, got nothing; {AGAIN}") from error
    except Exception as error:  # safetensors raises its own
        raise RunFolderError(f"{file}: must be as it was written, got {one_line(error)}; {AGAIN}") from error


def _write(file: Path, content: bytes, notes: Mapping[str, str]) -> None:
    header, data = _header_and_data(content)
    header["__metadata__"] = dict(notes)
    header["__metadata__"] = {**header["__metadata__"], "sha256": _checksum(header, data)}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # the data begin at a multiple of 8 bytes
    with files.replacing(file, needed=8 + len(text) + len(data)) as out:
        out.write(len(text).to_bytes(8, "little") + text)
        out.write(data)


def _read(file: Path) -> tuple[bytes, dict[str, str]]:
    """Return the content of a file and its notes; raises ValueError where they do not match their checksum."""
    with disk.reading(file):
        content = file.read_bytes()
    header, data = _header_and_data(content)
    notes: dict[str, str] = header.get("__metadata__", {})
    if notes.pop("sha256", "") != _checksum(header, data):
        raise ValueError("contents that do not match their checksum")
    return content, notes


def _header_and_data(content: bytes) -> tuple[dict[str, Any], memoryview]:
    """Return the two parts of a file in safetensors' format; raises ValueError where it is cut."""
    end = 8 + int.from_bytes(content[:8], "little")
    if not 8 < end <= min(len(content), 8 + MOST_HEADER):
        raise ValueError(f"{len(content)} bytes that are no safetensors")
    return json.loads(content[8:end]), memoryview(content)[end:]


def _checksum(header: Mapping[str, Any], data: memoryview) -> str:
    checksum = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    checksum.update(data)
    return checksum.hexdigest()
