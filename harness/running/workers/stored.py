"""Arrays that all workers of one machine share: mapped into their memory from files, never copied to each of them.

An array that is mapped from a file already stays where it is. Any other is written once into a file that has no name, so
that nothing of it is left when its last process has ended, however that ends.
"""

from __future__ import annotations

import mmap
import tempfile
from dataclasses import dataclass
from typing import IO, Any


@dataclass(frozen=True)
class StoredArray:
    """Where an array lies: the path of its file, or the number of a descriptor that a worker inherits."""

    file: str | int
    dtype: str
    shape: tuple[int, ...]
    offset: int  # bytes


class Spool:
    """The files without names in which arrays lie that no file has. They are gone when it is closed."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed by close)

    @property
    def descriptor(self) -> int:
        """The descriptor of the file, which a worker inherits."""
        return self._file.fileno()

    def store(self, array: Any) -> Any:
        """Return where an array lies, which is written to the spool unless a file has it; one of objects is returned as it is."""
        import numpy as np

        if array.dtype.hasobject:
            return array  # it is pickled with the rest
        if (place := in_file(array)) is not None:
            return place
        offset = self._file.seek(0, 2)
        offset += -offset % mmap.ALLOCATIONGRANULARITY
        self._file.seek(offset)
        self._file.write(np.ascontiguousarray(array).data)
        self._file.flush()
        return StoredArray(self.descriptor, array.dtype.str, tuple(array.shape), offset)

    def store_bytes(self, content: bytes) -> tuple[int, int]:
        """Write bytes to the spool; return where they begin, and how many they are."""
        offset = self._file.seek(0, 2)
        self._file.write(content)
        self._file.flush()
        return offset, len(content)

    def close(self) -> None:
        """Give the file up; a worker that has mapped it keeps it as long as it lives."""
        self._file.close()


def open_stored(place: Any) -> Any:
    """Return the array that lies at a place, mapped into memory; what is changed of it stays in this process."""
    import numpy as np

    if not isinstance(place, StoredArray):
        return place
    if 0 in place.shape:
        return np.empty(place.shape, place.dtype)
    file = f"/dev/fd/{place.file}" if isinstance(place.file, int) else place.file
    mapped = np.memmap(file, np.dtype(place.dtype), "c", place.offset, place.shape)
    return mapped.view(np.ndarray)


def in_file(array: Any) -> StoredArray | None:
    """Return where in a file an array is mapped from; None where it is not, or not in one piece."""
    import numpy as np

    top = array
    while isinstance(top.base, np.ndarray):
        top = top.base
    if not isinstance(top, np.memmap) or not top.filename or not array.flags.c_contiguous:
        return None
    offset = array.__array_interface__["data"][0] - top.__array_interface__["data"][0]
    return StoredArray(str(top.filename), array.dtype.str, tuple(array.shape), int(top.offset) + offset)
