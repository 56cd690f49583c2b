"""What is large in an opening, for workers on other machines: it travels once, or is there already.

An array, and a file of pretrained weights, is known by the SHA-256 of its bytes. In an opening that travels, a ``Parcel``
stands in its place. A machine takes the bytes from the file that the driver has them from, where it sees the same file
system, else from its own cache folder. Only what it has in neither is sent to it, and it keeps that for the next time.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.data.cache import replacing_cached, say_not_kept
from harness.data.places import cache_folder
from harness.errors import DiskError, RunFolderError
from harness.plugin.contracts import Opening, Weights
from harness.running.workers.opening import BenchmarkOpening
from harness.running.workers.stored import in_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK = 2**20  # bytes that are read at a time


@dataclass(frozen=True)
class Parcel:
    """Bytes that an opening needs, by what they are."""

    sha256: str
    file: str  # that the driver has them from; "" where they are in its memory alone
    offset: int = 0  # in the file
    size: int = -1  # bytes; -1: up to the end of the file
    dtype: str = "|u1"  # of the array that they are
    shape: tuple[int, ...] = ()  # of the same


class Shipment:
    """An opening on its way to other machines, and the bytes that are sent to them on request.

    Args:
        opening: What ``workbench.opening()`` gave.

    >>> class Empty:  # an opening without data
    ...     sys_path = ()
    ...     def with_arrays(self, change): return self
    >>> Arrival(Shipment(Empty()).opening).missing
    []
    """

    def __init__(self, opening: Opening) -> None:
        self._content: dict[str, NDArray[Any]] = {}  # by SHA-256
        self.opening = opening.with_arrays(self._parcel)  # with parcels in place of its arrays
        for weights in _weights_of(opening).values():
            self._content[weights.sha256] = _bytes_of(weights)

    def content(self, sha256: str) -> NDArray[Any]:
        """Return the bytes that a machine lacks, as ``uint8``."""
        return self._content[sha256]

    def _parcel(self, array: NDArray[Any]) -> Parcel:
        import numpy as np

        flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        sha256 = hashlib.sha256(flat.data).hexdigest()
        self._content[sha256] = flat
        place = in_file(array)
        file, offset = (str(place.file), place.offset) if place else ("", 0)
        return Parcel(sha256, file, offset, flat.size, array.dtype.str, tuple(array.shape))


class Arrival:
    """The opening of a ``Shipment`` on the machine of a worker.

    Args:
        opening: The ``opening`` of the shipment, with parcels in place of its arrays.

    >>> class Empty:  # an opening without data
    ...     sys_path = ()
    ...     def with_arrays(self, change): return self
    >>> type(Arrival(Shipment(Empty()).opening).unload({})).__name__
    'Empty'
    """

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self.missing: list[str] = []  # the SHA-256 of what this machine lacks
        opening.with_arrays(self._look)
        for weights in _weights_of(opening).values():
            self._look(_parcel_of(weights))

    def unload(self, arrived: Mapping[str, NDArray[Any]], device: str = "") -> Opening:
        """Return the opening as this machine has it: with arrays in place of parcels, and with its own paths.

        Args:
            arrived: The bytes of what was missing, by SHA-256, as ``uint8``.
            device: Where the workers of this machine train, as torch names it; "" as the driver does.

        Raises:
            HarnessError: Pretrained weights cannot be kept in the cache folder, where networks read them.
        """
        opening = self._opening.with_arrays(lambda parcel: _array_of(parcel, arrived))
        if not isinstance(opening, BenchmarkOpening):
            return opening
        folders = [*(folder for folder in opening.sys_path if Path(folder).exists()), *sys.path]
        return replace(
            opening,
            weights={name: _weights_here(weights, arrived) for name, weights in opening.weights.items()},
            sys_path=tuple(dict.fromkeys(folders)),
            device=replace(opening.device, name=device) if device else opening.device,
        )

    def _look(self, parcel: Parcel) -> Parcel:
        if parcel.sha256 not in self.missing and _place_of(parcel) is None:
            self.missing.append(parcel.sha256)
        return parcel


def _array_of(parcel: Parcel, arrived: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """Return an array that is mapped from a file of this machine, or as it arrived where no file can be written."""
    import numpy as np

    if 0 in parcel.shape:
        return np.empty(parcel.shape, parcel.dtype)
    if parcel.sha256 in arrived:
        with suppress(DiskError):
            _keep(parcel, arrived[parcel.sha256])
    place = _place_of(parcel)
    if place is None:
        return arrived[parcel.sha256].view(parcel.dtype).reshape(parcel.shape)
    return np.memmap(place[0], parcel.dtype, "r", place[1], parcel.shape)


def _weights_here(weights: Weights, arrived: Mapping[str, NDArray[Any]]) -> Weights:
    """Return pretrained weights with the path that they have here; raises DiskError where they cannot be written."""
    parcel = _parcel_of(weights)
    if parcel.sha256 in arrived:
        _keep(parcel, arrived[parcel.sha256])
    place = _place_of(parcel)
    if place is None:
        raise RunFolderError(
            f"{weights.file}: must be the driver's pretrained weights (SHA-256 {weights.sha256[:12]}...), got other contents or "
            "no file on this machine; copy the driver's file to this path"
        )
    return replace(weights, file=Path(place[0]))


def _weights_of(opening: Opening) -> Mapping[str, Weights]:
    return opening.weights if isinstance(opening, BenchmarkOpening) else {}


def _parcel_of(weights: Weights) -> Parcel:
    return Parcel(weights.sha256, str(weights.file))


def _bytes_of(weights: Weights) -> NDArray[Any]:
    import numpy as np

    return np.memmap(weights.file, np.uint8, "r")


def _place_of(parcel: Parcel) -> tuple[str, int] | None:
    """Return the file of this machine that has the bytes of a parcel, and where they begin; None where no file has them."""
    for file, offset in ((parcel.file, parcel.offset), (str(_kept_as(parcel)), 0)):
        if file and _has(file, offset, parcel.size, parcel.sha256):
            return file, offset
    return None


def _kept_as(parcel: Parcel) -> Path:
    """Return the file of the cache for the bytes of a parcel; it is read by its suffix where it is one of weights."""
    return cache_folder() / "shipped" / f"{parcel.sha256}{Path(parcel.file).suffix if parcel.size < 0 else '.bin'}"


def _keep(parcel: Parcel, content: NDArray[Any]) -> None:
    """Write bytes to the cache; a line says why where that cannot be."""
    try:
        with replacing_cached(_kept_as(parcel)) as out:
            out.write(content.data)
    except DiskError as error:
        say_not_kept("data of the driver", error)
        raise


_verified: set[tuple[str, int, int, str]] = set()  # what was found to be so in this process


def _has(file: str, offset: int, size: int, sha256: str) -> bool:
    """Return whether a file has the bytes of this SHA-256 at a place."""
    if (file, offset, size, sha256) in _verified:
        return True
    digest = hashlib.sha256()
    try:
        with Path(file).open("rb") as content:
            content.seek(offset)
            left = size if size >= 0 else Path(file).stat().st_size
            while left > 0 and (chunk := content.read(min(left, CHUNK))):
                digest.update(chunk)
                left -= len(chunk)
    except OSError:
        return False
    if digest.hexdigest() != sha256:
        return False
    _verified.add((file, offset, size, sha256))
    return True
