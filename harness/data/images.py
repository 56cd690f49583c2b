"""Images decoded once into a ``uint8`` store on disk, memory-mapped, and keyed by content.

A store is two files in the cache folder: ``KEY.npy`` with the pixels ``[N, size, size, 3]`` and ``KEY.json`` with what
could not be read. The key covers every byte of every source image, so a changed photo makes a new store and an
unchanged one is never decoded again.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, TypeVar

from harness.data.cache import check_whole, read_or_make, replacing_cached, say_not_kept
from harness.data.drawing import Blocks, draw_block, drawn_by_processes
from harness.data.limits import usable_cores
from harness.data.places import cache_folder
from harness.data.squares import CENTRE, LARGEST, Cut, Position, cut_squares
from harness.errors import DataError, DiskError, arguments, message_of
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.runs import digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

DECODER = 3  # raised whenever the same photo gives other pixels
RUN = 32  # images a thread decodes before it hands them over
HELD = 2**30  # bytes of images that are held in memory where the cache cannot keep them; more would be a danger
UNREADABLE = "cannot be read: "  # begins the key of a photo that has no bytes to hash

Progress = Callable[[str, int, int], None]
T = TypeVar("T")


class ImageSource(Protocol):
    """Where the bytes of one image are: a file, or a member of an archive. ``read`` is called from several threads.

    >>> from pathlib import Path
    >>> class File:
    ...     def __init__(self, path): self.name, self.read = path.name, path.read_bytes
    >>> File(Path("cats/1.jpg")).name
    '1.jpg'
    """

    @property
    def name(self) -> str:
        """The name that messages show."""

    def read(self) -> bytes:
        """Return all of its bytes, the same every time."""


@dataclass(frozen=True)
class ImageStore:
    """Decoded images, with what went wrong. ``decode_photos`` and ``draw_images`` return it.

    >>> import numpy as np
    >>> ImageStore(np.zeros((2, 8, 8, 3), np.uint8), keys=("a", "b"), broken={1: "truncated"}, sha256="0").broken
    {1: 'truncated'}
    """

    pixels: NDArray[np.uint8]  # [N, size, size, 3]
    keys: tuple[str, ...]  # SHA-256 of the N sources, or what names the drawings
    broken: dict[int, str]  # position -> why it could not be decoded; its pixels are zero
    sha256: str  # of the pixels: another release of the decoder may give others for the same photos


def decode_photos(
    photos: Sequence[ImageSource], size: int, progress: Progress, *, interpolation: str = "lanczos", crop: float = 1.0
) -> ImageStore:
    """Return photos decoded: resized, cut to a square, in RGB, and kept on disk for the next time.

    The short side is scaled to ``size / crop`` pixels, and the central square is cut out. That is the square timm evaluates
    on, to the pixel. Values of more than 8 bits are scaled, and what is transparent is white (``data.pixels`` has the rules).

    Args:
        photos: Where the bytes are, N of them.
        size: The side of the squares, in pixels.
        progress: Is called with what is under way, how many are done, and how many there are.
        interpolation: bilinear, bicubic or lanczos.
        crop: The part of the short side that is kept, in (0, 1].

    Returns:
        The images ``uint8 [N, size, size, 3]``. A source that cannot be read (OSError) or decoded is among ``broken``, with
        the reason but not its name: the same on every machine.

    >>> import io
    >>> from PIL import Image
    >>> class Red:
    ...     name = "red"
    ...     def read(self):
    ...         Image.new("RGB", (20, 10), "red").save(content := io.BytesIO(), "png")
    ...         return content.getvalue()
    >>> decode_photos([Red()], 8, lambda what, done, total: None).pixels[0, 0, 0].tolist()
    [255, 0, 0]
    """
    photos = arguments.items("photos", photos, "photos")
    for photo in photos:
        arguments.having("photos", photo, "photos, each with a name and read()", "name", "read")
    size, crop = arguments.whole("size", size, 1, LARGEST), arguments.number("crop", crop, nan=True)
    cut = Cut(size, arguments.text("interpolation", interpolation), crop)
    keys = _hash_photos(photos, arguments.function("progress", progress))
    key = digest(["photos", DECODER, size, interpolation, float(crop), keys])

    def image(i: int) -> Image:
        if keys[i].startswith(UNREADABLE):
            raise ValueError(keys[i])
        (square,) = cut_squares(_read_again(photos[i]), cut)
        return square

    with quiet_photos():
        return _open_store(key, keys, size, image, progress, "decoding photos")


def stream_photos(
    photos: Sequence[ImageSource], cut: Cut, places: Sequence[Position] = (CENTRE,), batch: int = 64, ahead: int = 2
) -> Iterator[tuple[NDArray[np.uint8], dict[int, str]]]:
    """Yield batches of photos, ``[B, V, size, size, 3]`` with a square for each of V places, and keep nothing.

    They are decoded as by ``decode_photos``, in threads that are at most ``ahead`` batches ahead. With each batch come the
    positions, among all photos, of those that could not be read or decoded, each with the reason; their pixels are zero.
    """
    import numpy as np

    piece = min(8, batch)
    decode = partial(_decode_piece, photos, cut, places)
    pieces = read_in_order(decode, len(photos), piece, (ahead + 1) * batch // piece)
    while batch_pieces := list(islice(pieces, batch // piece)):
        unreadable: dict[int, str] = {}
        for _, broken in batch_pieces:
            unreadable |= broken
        yield np.concatenate([pixels for pixels, _ in batch_pieces]), unreadable


def _decode_piece(
    photos: Sequence[ImageSource], cut: Cut, places: Sequence[Position], rows: range
) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Return the squares of some photos, ``[len(rows), V, size, size, 3]``, and those that are broken, with the reasons."""
    import numpy as np

    pixels = np.zeros((len(rows), len(places), cut.size, cut.size, 3), dtype=np.uint8)
    broken = {}
    for photo, i in zip(pixels, rows, strict=True):
        try:
            with Boundary(everything=True):  # Pillow raises many types on a damaged file, and a source anything
                for place, square in zip(photo, cut_squares(photos[i].read(), cut, places), strict=True):
                    place[...] = np.asarray(square)
        except PluginFailed as error:
            photo[...] = 0
            broken[i] = explain_unreadable(error.raised)
    return pixels, broken


@contextmanager
def quiet_photos() -> Iterator[None]:
    """Silence Pillow's warnings about odd photos: they are decoded, or broken and named."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def draw_images(draw: Callable[[int], Image], keys: Sequence[str], size: int, progress: Progress) -> ImageStore:
    """Return drawn images, kept on disk for the next time.

    Args:
        draw: ``draw(i)`` returns the image of the i-th key, ``[size, size]`` in RGB.
        keys: N texts that name all that decides the pixels: a seed, a version of the drawing.
        size: The side of the images, in pixels.
        progress: Is called with what is under way, how many are done, and how many there are.

    Returns:
        The images ``uint8 [N, size, size, 3]``.

    Raises:
        DataError: One of them cannot be drawn.

    >>> from PIL import Image
    >>> draw_images(lambda i: Image.new("RGB", (8, 8)), ["black 0"], 8, lambda what, done, total: None).pixels.shape
    (1, 8, 8, 3)
    """
    arguments.function("draw", draw)
    keys = [arguments.text("keys", key) for key in arguments.items("keys", keys, "texts", 1)]
    size, progress = arguments.whole("size", size, 1, LARGEST), arguments.function("progress", progress)
    store = _open_store(digest(["drawn", size, keys]), tuple(keys), size, draw, progress, "drawing the sample")
    for i, reason in store.broken.items():
        raise DataError(
            f"data: must be drawn whole, got {len(store.broken)} of {len(keys)} failed: {keys[i]}: {reason}; "
            f"change [data], or remove {cache_folder() / 'images'} to try again"
        )
    return store


def _hash_photos(photos: Sequence[ImageSource], progress: Progress) -> tuple[str, ...]:
    """Return the SHA-256 of every source; says how far it is only where that takes seconds, as on a slow disk."""

    def some_keys(rows: range) -> list[str]:
        return [_hash_photo(photos[i]) for i in rows]

    keys: list[str] = []
    quiet_until = time.monotonic() + 3  # seconds
    for piece_keys in read_in_order(some_keys, len(photos)):
        keys += piece_keys
        if time.monotonic() > quiet_until:
            progress("reading photos", len(keys), len(photos))
    return tuple(keys)


def _hash_photo(photo: ImageSource) -> str:
    """Return the SHA-256 of its bytes, or why they cannot be read; a library that reads them may raise anything."""
    try:
        with Boundary():
            return hashlib.sha256(photo.read()).hexdigest()
    except PluginFailed as error:
        return f"{UNREADABLE}{explain_unreadable(error.raised)}"


def _read_again(photo: ImageSource) -> bytes:
    """Return the bytes of a photo that could be read a moment ago; raises DataError where it cannot be read any more."""
    try:
        return photo.read()
    except OSError as error:
        raise DataError(f"{photo.name}: must stay readable while it is decoded, got {error}; start again") from error


def _open_store(
    key: str, keys: tuple[str, ...], size: int, image: Callable[[int], Image], progress: Progress, what: str
) -> ImageStore:
    """Return the store of this key, made if it is missing; one that cannot be written is held in memory, if it is small."""
    import numpy as np

    folder = cache_folder() / "images"
    pixels, notes = folder / f"{key[:32]}.npy", folder / f"{key[:32]}.json"

    def read() -> ImageStore:
        noted = json.loads(notes.read_text(encoding="utf-8"))
        broken = {int(i): reason for i, reason in noted["broken"].items()}
        check_whole(pixels, noted["sha256"])
        array = np.load(pixels, mmap_mode="c")  # "c": torch wants to be able to write
        return ImageStore(array, keys, broken, noted["sha256"])

    def make() -> None:
        with replacing_cached(pixels) as array:
            noted = _fill_store(array, len(keys), size, image, progress, what)
            with replacing_cached(notes) as text:  # there before the pixels are: a store with pixels is whole
                text.write(json.dumps(noted).encode())

    try:
        return read_or_make(read, make)
    except DiskError as error:
        if len(keys) * size * size * 3 > HELD:
            raise
        say_not_kept("decoded images", error)
    held = io.BytesIO()
    noted = _fill_store(held, len(keys), size, image, progress, what)
    held.seek(0)
    return ImageStore(np.load(held), keys, {int(i): reason for i, reason in noted["broken"].items()}, noted["sha256"])


def _fill_store(
    out: BinaryIO, count: int, size: int, image: Callable[[int], Image], progress: Progress, what: str
) -> dict[str, Any]:
    """Write every image into an array; return why some could not be decoded, and the SHA-256 of what was written.

    The rows are written, not memory-mapped: a full disk is then an error instead of a crash, and little memory is used.
    """
    import numpy as np

    broken: dict[str, str] = {}
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "|u1", "fortran_order": False, "shape": (count, size, size, 3)}
    )
    sha256 = hashlib.sha256(head.getvalue())
    done = 0
    progress(what, done, count)
    out.write(head.getvalue())
    for pixels, failed in _blocks_of(image, count, size):
        out.write(pixels.data)
        sha256.update(pixels.data)
        done += len(pixels)
        broken |= {str(i): reason for i, reason in failed.items()}
        progress(what, done, count)
    return {"broken": dict(sorted(broken.items(), key=lambda item: int(item[0]))), "sha256": sha256.hexdigest()}


def _blocks_of(image: Callable[[int], Image], count: int, size: int) -> Blocks:
    """Return the pixels of all images, in order: by several processes where the images are drawn, else by threads."""

    def some_pixels(rows: range) -> tuple[NDArray[np.uint8], dict[int, str]]:
        return draw_block(image, rows, size, explain_unreadable)

    blocks = drawn_by_processes(image, count, size, explain_unreadable, usable_cores())
    return read_in_order(some_pixels, count) if blocks is None else blocks


def explain_unreadable(error: BaseException) -> str:
    """Return why a photo could not be read or decoded, in one line that is the same on every machine: without a path."""
    message = error.strerror if isinstance(error, OSError) and error.strerror else message_of(error)
    return " ".join(re.sub(r"<_io\.BytesIO[^>]*>", "", message).split())[:200] or type(error).__name__


def read_in_order(work: Callable[[range], T], count: int, run: int = RUN, ahead: int = 0) -> Iterator[T]:
    """Yield ``work(rows)`` for runs of consecutive rows, in order, from threads that are only a little ahead.

    Pillow, zlib and hashlib let go of the interpreter's lock while they work; a run of rows at a time keeps the
    threads from fighting for it in between.
    """
    runs = (range(first, min(first + run, count)) for first in range(0, count, run))
    workers = min(32, usable_cores())
    with ThreadPoolExecutor(workers) as pool:
        waiting = deque(pool.submit(work, rows) for rows in islice(runs, ahead or 2 * workers))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(work, rows) for rows in islice(runs, 1))
