"""Images decoded once into a ``uint8`` store on disk, memory-mapped, and keyed by content.

A store is two files in the cache folder: ``KEY.npy`` with the pixels ``[N, size, size, 3]`` and ``KEY.json`` with what
could not be read. The key covers every byte of every source image, so a changed photo makes a new store and an
unchanged one is never decoded again.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import re
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, TypeVar

from harness.console.escaping import say_lines
from harness.data.kinds import HEAD, NOT_READ, image_format
from harness.data.pixels import upright_rgb
from harness.data.places import cache_folder
from harness.errors import DataError, DiskError, arguments, message_of, shown
from harness.errors.disk import writing
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.runs import digest
from harness.records.files import checksum, replacing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

DECODER = 3  # raised whenever the same photo gives other pixels
INTERPOLATIONS = ("bicubic", "bilinear", "lanczos")
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP")  # whatever the file's name says; no EPS, which is a program
MOST_PIXELS = 2**30 // 12  # of one photo, 89 million, as in Pillow: beyond it a small file may fill the memory
LARGEST = 65_535  # pixels along a side; Pillow and JPEG go no further
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
        """What a person calls it."""

    def read(self) -> bytes:
        """Return all of its bytes, the same every time."""


Position = tuple[int, int]  # of a square, across and down: -1, 0 or 1
CENTRE: Position = (0, 0)
CORNERS: tuple[Position, ...] = ((-1, -1), (1, -1), (-1, 1), (1, 1))


@dataclass(frozen=True)
class Cut:
    """How a photo becomes a square: its short side scaled to ``size / crop`` pixels, ``[size, size]`` cut out.

    Raises DataError for what no photo can be cut to.
    """

    size: int
    interpolation: str = "lanczos"
    crop: float = 1.0

    def __post_init__(self) -> None:
        if self.interpolation not in INTERPOLATIONS:
            known = ", ".join(INTERPOLATIONS)
            raise DataError(f"data.interpolation: must be one of {known}, got {shown(self.interpolation)}")
        if not (0 < self.crop <= 1 and self.size / self.crop <= LARGEST):
            raise DataError(f"data.crop: must be a number above 0 and at most 1, got {shown(self.crop)}")

    @property
    def scaled(self) -> int:
        """Pixels of the short side, of which ``size`` are kept."""
        return math.floor(self.size / self.crop)


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
    keys = _keys(photos, arguments.function("progress", progress))
    key = digest(["photos", DECODER, size, interpolation, float(crop), keys])

    def image(i: int) -> Image:
        if keys[i].startswith(UNREADABLE):
            raise ValueError(keys[i])
        (square,) = _squares(_content(photos[i]), cut)
        return square

    with quiet_photos():
        return _store(key, keys, size, image, progress, "decoding photos")


def stream_photos(
    photos: Sequence[ImageSource], cut: Cut, places: Sequence[Position] = (CENTRE,), batch: int = 64, ahead: int = 2
) -> Iterator[tuple[NDArray[np.uint8], dict[int, str]]]:
    """Yield batches of photos, ``[B, V, size, size, 3]`` with a square for each of V places, and keep nothing.

    Decoded as by ``decode_photos``, in threads that are at most ``ahead`` batches ahead. Beside a batch stands which of
    all the photos (by position) could not be read or decoded, and why; their pixels are zero.
    """
    import numpy as np

    def decoded(rows: range) -> tuple[NDArray[np.uint8], dict[int, str]]:
        pixels = np.zeros((len(rows), len(places), cut.size, cut.size, 3), dtype=np.uint8)
        broken = {}
        for photo, i in zip(pixels, rows, strict=True):
            try:
                with Boundary(everything=True):  # Pillow raises many types on a damaged file, and a source anything
                    for place, square in zip(photo, _squares(photos[i].read(), cut, places), strict=True):
                        place[...] = np.asarray(square)
            except PluginFailed as error:
                photo[...] = 0
                broken[i] = _reason(error.raised)
        return pixels, broken

    piece = min(8, batch)
    pieces = _in_order(decoded, len(photos), piece, (ahead + 1) * batch // piece)
    while some := list(islice(pieces, batch // piece)):
        yield np.concatenate([pixels for pixels, _ in some]), {i: why for _, these in some for i, why in these.items()}


@dataclass(frozen=True)
class Look:
    """What one photo is, without its pixels; where it is ``broken``, that says why, and all but ``sha256`` is empty."""

    sha256: str  # of its bytes; empty where they cannot be read
    broken: str = ""
    size: tuple[int, int] = (0, 0)  # width and height as in the file, pixels
    format: str = ""
    mode: str = ""
    grey: NDArray[np.uint8] | None = None  # [32, 32], all of the photo squeezed into it
    hash: int = 0  # 64 bits: of 8 rows of 9 grey pixels, is each brighter than the one before it?


def look_at_photos(photos: Sequence[ImageSource], progress: Progress) -> list[Look]:
    """Return a look at each photo; what ``decode_photos`` cannot read or decode is broken here too."""

    def some(rows: range) -> list[Look]:
        return [_look(photos[i]) for i in rows]

    looks: list[Look] = []
    with quiet_photos():
        for found in _in_order(some, len(photos)):
            looks += found
            progress("looking at photos", len(looks), len(photos))
    return looks


def _look(photo: ImageSource) -> Look:
    sha256 = ""
    try:
        with Boundary(everything=True):
            content = photo.read()
            sha256 = hashlib.sha256(content).hexdigest()
            with _opened(content, 64) as (upright, about):
                grey, bits = _impression(upright)
    except PluginFailed as error:
        return Look(sha256, broken=_reason(error.raised))
    return Look(sha256, grey=grey, hash=bits, **about)


def look_at_pixels(pixels: NDArray[np.uint8]) -> Look:
    """Return a look at a decoded image ``[H, W, 3]``, by its pixels: the SHA-256 is theirs."""
    import numpy as np
    from PIL import Image

    grey, bits = _impression(Image.fromarray(np.ascontiguousarray(pixels)))
    sha256 = hashlib.sha256(pixels.tobytes()).hexdigest()
    return Look(sha256, size=(pixels.shape[1], pixels.shape[0]), grey=grey, hash=bits)


def _impression(image: Image) -> tuple[NDArray[np.uint8], int]:
    """Return an image's 32 x 32 grey pixels and its difference hash."""
    import numpy as np
    from PIL import Image

    grey = image.convert("L")
    small = np.asarray(grey.resize((9, 8), Image.Resampling.BOX))
    squeezed = np.asarray(grey.resize((32, 32), Image.Resampling.BOX))
    brighter = np.packbits(small[:, 1:] > small[:, :-1])
    return squeezed, int.from_bytes(brighter.tobytes(), "big")


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
    store = _store(digest(["drawn", size, keys]), tuple(keys), size, draw, progress, "drawing the sample")
    for i, why in store.broken.items():
        raise DataError(
            f"data: must be drawn whole, got {len(store.broken)} of {len(keys)} failed: {keys[i]}: {why}; "
            f"change [data], or remove {cache_folder() / 'images'} to try again"
        )
    return store


def _keys(photos: Sequence[ImageSource], progress: Progress) -> tuple[str, ...]:
    """Return the SHA-256 of every source; says how far it is only where that takes seconds, as on a slow disk."""

    def some_keys(rows: range) -> list[str]:
        return [_key(photos[i]) for i in rows]

    keys: list[str] = []
    quiet_until = time.monotonic() + 3  # seconds
    for some in _in_order(some_keys, len(photos)):
        keys += some
        if time.monotonic() > quiet_until:
            progress("reading photos", len(keys), len(photos))
    return tuple(keys)


def _key(photo: ImageSource) -> str:
    """Return the SHA-256 of its bytes, or why they cannot be read."""
    try:
        return hashlib.sha256(photo.read()).hexdigest()
    except OSError as error:
        return f"{UNREADABLE}{_reason(error)}"


def _content(photo: ImageSource) -> bytes:
    """Return the bytes of a photo that could be read a moment ago; where it cannot any more, no store may say so."""
    try:
        return photo.read()
    except OSError as error:
        raise DataError(f"{photo.name}: must stay readable while it is decoded, got {error}; start again") from error


def _squares(content: bytes, cut: Cut, places: Sequence[Position] = (CENTRE,)) -> Iterator[Image]:
    """Yield the photo's squares, each ``[size, size]`` RGB; raises what Pillow raises on a damaged one."""
    from PIL import Image

    size, scaled = cut.size, cut.scaled
    way = Image.Resampling[cut.interpolation.upper()]
    with _opened(content, 2 * scaled) as (upright, _):  # still twice what is kept
        for across, down in places:
            left, right = _span(upright.width, min(upright.size), scaled, size, across)
            top, bottom = _span(upright.height, min(upright.size), scaled, size, down)
            # Resizing all of it and cutting then, as timm does, gives the same but for rounding and for overshoot that
            # is clipped in another order; it takes longer, and a photo 1 pixel wide would fill the memory.
            yield upright.resize((size, size), way, box=(left, top, right, bottom))


@contextmanager
def _opened(content: bytes, least: int) -> Iterator[tuple[Image, dict[str, Any]]]:
    """Give the photo upright, in RGB, its sides at least ``least`` pixels or its own; and what its file says of it."""
    from PIL import Image

    if (kind := image_format(content[:HEAD])) in NOT_READ:
        raise ValueError(f"{kind} images are not read; save it as JPEG or PNG")
    with Image.open(io.BytesIO(content), formats=FORMATS) as photo:
        if photo.width * photo.height > MOST_PIXELS:
            raise ValueError(f"{photo.width} x {photo.height} pixels are more than {MOST_PIXELS / 1e6:.0f} million")
        about = {"size": photo.size, "format": photo.format or "", "mode": photo.mode}
        photo.draft("RGB", (least, least))  # JPEG only: decode at a reduced size
        yield upright_rgb(photo), about


def _span(side: int, short: int, scaled: int, size: int, place: int) -> tuple[float, float]:
    """Return where, along a side of the photo, the square begins and ends, in pixels of the photo.

    ``place`` 0 is the middle; -1 and 1 are the ends of the central ``scaled`` pixels.
    """
    length = int(scaled * side / short)  # of this side once resized, rounded down as torchvision does
    first = round((length - size) / 2) if not place else round((length - scaled) / 2) + (place > 0) * (scaled - size)
    return first * side / length, min((first + size) * side / length, side)


def _store(
    key: str, keys: tuple[str, ...], size: int, image: Callable[[int], Image], progress: Progress, what: str
) -> ImageStore:
    """Return the store of this key, made if it is not there; one that cannot be kept is held in memory, if it is small."""
    import numpy as np

    folder = cache_folder() / "images"
    pixels, notes = folder / f"{key[:32]}.npy", folder / f"{key[:32]}.json"

    def read() -> ImageStore:
        noted = json.loads(notes.read_text(encoding="utf-8"))
        broken = {int(i): why for i, why in noted["broken"].items()}
        check_whole(pixels, noted["sha256"])
        array = np.load(pixels, mmap_mode="c")  # "c": torch wants to be able to write
        return ImageStore(array, keys, broken, noted["sha256"])

    def make() -> None:
        with written(pixels) as array:
            noted = _fill(array, len(keys), size, image, progress, what)
            with written(notes) as text:  # there before the pixels are: a store with pixels is whole
                text.write(json.dumps(noted).encode())

    try:
        return kept(read, make)
    except DiskError as error:
        if len(keys) * size * size * 3 > HELD:
            raise
        say_not_kept("decoded images", error)
    held = io.BytesIO()
    noted = _fill(held, len(keys), size, image, progress, what)
    held.seek(0)
    return ImageStore(np.load(held), keys, {int(i): why for i, why in noted["broken"].items()}, noted["sha256"])


def say_not_kept(what: str, error: DiskError) -> None:
    """Warn that something is not in the cache, and why; the work goes on without it."""
    line = str(error).replace(", then the same command goes on", "")
    say_lines([f"warning: {what} are not kept for the next command: {line}"], sys.stderr)


def kept(read: Callable[[], T], make: Callable[[], None]) -> T:
    """Return what ``read`` finds in the cache, after ``make`` where nothing is there or what is there is damaged."""
    with suppress(Exception):  # NumPy and JSON raise many types on a damaged file
        return read()
    make()
    return read()


def check_whole(file: Path, sha256: str) -> None:
    """Raise ValueError for a file of the cache whose contents have another SHA-256."""
    if checksum(file) != sha256:
        raise ValueError(f"{file} is not as it was written")


@contextmanager
def written(file: Path) -> Iterator[BinaryIO]:
    """Give a file of the cache to be written: it is there once it is whole, and nothing is after an error or Ctrl-C.

    Raises DiskError where the cache cannot be written.
    """
    hint = "set HARNESS_CACHE to another folder"
    with writing(file.parent, hint):
        file.parent.mkdir(parents=True, exist_ok=True)
        _clean(file.parent)
    with replacing(file, hint=hint) as out:
        yield out


def _fill(
    out: BinaryIO, count: int, size: int, image: Callable[[int], Image], progress: Progress, what: str
) -> dict[str, Any]:
    """Write every image into an array; return why some could not be decoded, and the SHA-256 of what was written.

    The rows are written, not memory-mapped: a full disk is then an error instead of a crash, and little memory is used.
    """
    import numpy as np

    broken: dict[str, str] = {}

    def rows_of(rows: range) -> NDArray[np.uint8]:  # [rows, size, size, 3]
        pixels = np.zeros((len(rows), size, size, 3), dtype=np.uint8)
        for row, i in zip(pixels, rows, strict=True):
            try:
                with Boundary():  # a DataError of the source passes: that is not this photo's fault
                    row[...] = np.asarray(image(i))
            except PluginFailed as error:
                broken[str(i)] = _reason(error.raised)
        return pixels

    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "|u1", "fortran_order": False, "shape": (count, size, size, 3)}
    )
    sha256 = hashlib.sha256(head.getvalue())
    done = 0
    out.write(head.getvalue())
    for pixels in _in_order(rows_of, count):
        out.write(pixels.data)
        sha256.update(pixels.data)
        done += len(pixels)
        progress(what, done, count)
    return {"broken": dict(sorted(broken.items(), key=lambda item: int(item[0]))), "sha256": sha256.hexdigest()}


def _reason(error: BaseException) -> str:
    """Return why a photo could not be read or decoded, in one line that is the same on every machine: without a path."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else message_of(error)
    return " ".join(re.sub(r"<_io\.BytesIO[^>]*>", "", said).split())[:200] or type(error).__name__


def _in_order(work: Callable[[range], T], count: int, run: int = RUN, ahead: int = 0) -> Iterator[T]:
    """Yield ``work(rows)`` for runs of consecutive rows, in order, from threads that are only a little ahead.

    Pillow, zlib and hashlib let go of the interpreter's lock while they work; a run of rows at a time keeps the
    threads from fighting for it in between.
    """
    runs = (range(first, min(first + run, count)) for first in range(0, count, run))
    workers = min(32, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool:
        waiting = deque(pool.submit(work, rows) for rows in islice(runs, ahead or 2 * workers))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(work, rows) for rows in islice(runs, 1))


def _clean(folder: Path) -> None:
    """Remove what a kill left half written, once it is so old that no process can still be at it."""
    for file in folder.glob("*.tmp"):
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > 3600:
                file.unlink()


def stratified(labels: Sequence[Any], part: float, seed: int) -> tuple[list[int], list[int]]:
    """Return positions in two lists: those to keep, and a random part of every class to set aside.

    Args:
        labels: The class of each example, N of them.
        part: The part of every class to set aside, in (0, 1); at least one example.
        seed: Of the choice. Equal seeds choose alike.

    Raises:
        DataError: A class has fewer than two members.

    >>> kept, set_aside = stratified(["cat"] * 4 + ["dog"] * 4, part=0.25, seed=0)
    >>> len(kept), len(set_aside)
    (6, 2)
    """
    import numpy as np

    labels, part = arguments.items("labels", labels, "labels", 1), arguments.share("part", part)
    random = np.random.default_rng(arguments.whole("seed", seed))
    kept: list[int] = []
    aside: list[int] = []
    try:
        classes = sorted(set(labels))
    except TypeError:
        raise TypeError(
            f"labels: must be labels of one kind, such as texts, got {arguments.describe(labels)}"
        ) from None
    for label in classes:
        members = random.permutation([i for i, other in enumerate(labels) if other == label]).tolist()
        if len(members) < 2:
            raise DataError(f"data: must have two or more examples of every class, got {len(members)} of '{label}'")
        count = min(max(1, round(part * len(members))), len(members) - 1)
        aside += members[:count]
        kept += members[count:]
    return sorted(kept), sorted(aside)
