"""Images drawn by several processes: a program that draws in Python keeps one core busy, however many threads it has."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from harness.plugin.boundary import Boundary, PluginFailed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

WORTH = 1_000  # images: fewer are drawn sooner than processes begin
BLOCK = 32  # images that are handed over at once
START = (
    "import sys, pickle; sys.path[:] = pickle.load(sys.stdin.buffer); from harness.data.drawing import serve; serve()"
)

Blocks = Iterator["tuple[NDArray[np.uint8], dict[int, str]]"]  # pixels [rows, size, size, 3]; why images have failed


def draw_block(
    image: Callable[[int], Image], rows: range, size: int, explain: Callable[[BaseException], str]
) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Return the pixels ``uint8 [rows, size, size, 3]`` of some images, and by number why the others have failed."""
    import numpy as np

    pixels, broken = np.zeros((len(rows), size, size, 3), dtype=np.uint8), {}
    for row, i in zip(pixels, rows, strict=True):
        try:
            with Boundary():  # a DataError of the source passes: that is not this image's fault
                row[...] = np.asarray(image(i))
        except PluginFailed as error:
            broken[i] = explain(error.raised)
    return pixels, broken


def drawn_by_processes(
    image: Callable[[int], Image], count: int, size: int, explain: Callable[[BaseException], str], processes: int
) -> Blocks | None:
    """Return the blocks of all images, in order, drawn by so many processes.

    Returns None where that would not pay, or where the function cannot travel to another process. A process that ends
    early has its blocks drawn here.
    """
    if processes < 2 or count < WORTH:
        return None
    try:
        work = pickle.dumps((image, count, size, explain, processes))
    except Exception:  # a function inside another one, for example
        return None
    return _blocks(work, image, count, size, explain, processes)


def _blocks(
    work: bytes, image: Callable[[int], Image], count: int, size: int, explain: Callable[[BaseException], str], processes: int
) -> Blocks:  # fmt: skip
    with ExitStack() as started:
        artists = [_start(started, work, place) for place in range(processes)]
        for number, rows in enumerate(_ranges(count)):
            block = _next_block(artists, number % processes)
            yield draw_block(image, rows, size, explain) if block is None else block


def _ranges(count: int) -> Iterator[range]:
    return (range(first, min(first + BLOCK, count)) for first in range(0, count, BLOCK))


def _start(started: ExitStack, work: bytes, place: int) -> subprocess.Popen[bytes]:
    """Start a process that draws every so many-th block, from the one at ``place`` on."""
    artist = subprocess.Popen(
        [sys.executable, "-c", START], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    started.callback(_end, artist)
    assert artist.stdin is not None
    with suppress(OSError), artist.stdin:  # it may have ended already: its blocks are drawn here
        artist.stdin.write(pickle.dumps(sys.path) + work + pickle.dumps(place))
    return artist


def _end(artist: subprocess.Popen[bytes]) -> None:
    artist.kill()
    artist.wait()
    assert artist.stdout is not None
    artist.stdout.close()


def _next_block(artists: list[subprocess.Popen[bytes]], place: int) -> tuple[NDArray[np.uint8], dict[int, str]] | None:
    """Return the next block of a process; None where it has ended before."""
    stream = artists[place].stdout
    assert stream is not None
    try:
        block: Any = pickle.load(stream)
    except (EOFError, pickle.UnpicklingError, OSError):
        return None
    return block  # type: ignore[no-any-return]


def serve() -> None:
    """Draw the blocks of this process, and write them to its standard output."""
    out, sys.stdout = sys.stdout.buffer, sys.stderr  # what the drawing prints is no block
    image, count, size, explain, processes = pickle.load(sys.stdin.buffer)
    place = pickle.load(sys.stdin.buffer)
    for number, rows in enumerate(_ranges(count)):
        if number % processes == place:
            pickle.dump(draw_block(image, rows, size, explain), out)
            out.flush()
