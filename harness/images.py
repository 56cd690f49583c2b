"""Images decoded once into a ``uint8`` store on disk, memory-mapped, and keyed by content.

A store is two files in the cache folder: ``KEY.npy`` with the pixels ``[N, size, size, 3]`` and ``KEY.json`` with what
could not be read. The key covers every byte of every source image, so a changed photo makes a new store and an
unchanged one is never decoded again.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import DataError
from harness.runs import digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

DECODER = 1  # raised whenever the same photo gives other pixels

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class ImageStore:
    """Decoded images ``[N, size, size, 3]`` with what went wrong; ``keys`` are the SHA-256 of their sources."""

    pixels: NDArray[np.uint8]
    keys: tuple[str, ...]
    broken: dict[int, str]  # position -> why it could not be decoded; its pixels are zero
    sha256: str  # of the pixels: another release of the decoder may give others for the same photos


def cache_folder() -> Path:
    """Return ``$HARNESS_CACHE``, or this system's usual folder for caches, with ``harness`` below it."""
    if named := os.environ.get("HARNESS_CACHE"):
        return Path(named)
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
    else:
        base = (
            home / "Library/Caches"
            if sys.platform == "darwin"
            else Path(os.environ.get("XDG_CACHE_HOME", home / ".cache"))
        )
    return base / "optimizer-harness"


def decode_photos(files: Sequence[Path], size: int, progress: Progress) -> ImageStore:
    """Return the photos decoded: short side scaled to ``size`` pixels, the centre cut out, RGB."""
    from PIL import Image, ImageOps

    def read(file: Path) -> tuple[bytes, str]:
        content = file.read_bytes()
        return content, hashlib.sha256(content).hexdigest()

    def decode(file: Path) -> Image.Image:
        with Image.open(file) as photo:
            photo.draft("RGB", (2 * size, 2 * size))  # JPEG only: decode at a reduced size, still twice what is kept
            upright = ImageOps.exif_transpose(photo)
            return ImageOps.fit(upright.convert("RGB"), (size, size), Image.Resampling.LANCZOS)

    with ThreadPoolExecutor() as pool:
        keys = tuple(pool.map(lambda file: read(file)[1], files))
    return _store(
        digest(["photos", DECODER, size, keys]), keys, size, lambda i: decode(files[i]), progress, "decoding photos"
    )


def draw_images(draw: Callable[[int], Image], keys: Sequence[str], size: int, progress: Progress) -> ImageStore:
    """Return ``draw(i)`` for every key, each ``[size, size]`` RGB; ``keys`` say all that decides the pixels."""
    return _store(digest(["drawn", size, list(keys)]), tuple(keys), size, draw, progress, "drawing the sample")


def _store(
    key: str, keys: tuple[str, ...], size: int, image: Callable[[int], Image], progress: Progress, what: str
) -> ImageStore:
    """Open the store of this key, after making it if it is not there; written beside and renamed, so never half."""
    import numpy as np

    folder = cache_folder() / "images"
    pixels, notes = folder / f"{key[:32]}.npy", folder / f"{key[:32]}.json"
    if not (pixels.is_file() and notes.is_file()):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _clean(folder)
            beside = folder / f"{key[:32]}.{os.getpid()}.tmp"
            unread = _fill(beside, len(keys), size, image, progress, what)
            notes.write_text(json.dumps({"broken": unread, "sha256": _hash(beside)}), encoding="utf-8")
            beside.replace(pixels)
        except OSError as error:
            raise DataError(
                f"{folder}: must be writable with room for {len(keys) * size * size * 3 / 1e6:.0f} MB, got {error}; set HARNESS_CACHE to another folder"
            ) from error
    noted = json.loads(notes.read_text(encoding="utf-8"))
    broken = {int(i): why for i, why in noted["broken"].items()}
    return ImageStore(
        np.load(pixels, mmap_mode="c"), keys, broken, noted["sha256"]
    )  # "c": torch wants to be able to write


def _fill(
    file: Path, count: int, size: int, image: Callable[[int], Image], progress: Progress, what: str
) -> dict[str, str]:
    """Write every image into a new array on disk; return why some could not be decoded, by position."""
    import numpy as np

    store = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=(count, size, size, 3))
    broken: dict[str, str] = {}

    def fill(i: int) -> None:
        try:
            store[i] = np.asarray(image(i))
        except Exception as error:  # Pillow raises many types on a damaged file
            broken[str(i)] = " ".join(str(error).replace(str(file.parent), "").split())[:200] or type(error).__name__

    with ThreadPoolExecutor() as pool:  # Pillow decodes and resizes without holding the interpreter's lock
        for done, _ in enumerate(pool.map(fill, range(count)), 1):
            if done % 64 == 0 or done == count:
                progress(what, done, count)
    store.flush()
    return dict(sorted(broken.items(), key=lambda item: int(item[0])))


def _clean(folder: Path) -> None:
    """Remove what a kill left half written, once it is so old that no process can still be at it."""
    for file in folder.glob("*.tmp"):
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > 3600:
                file.unlink()


def _hash(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def stratified(labels: Sequence[Any], part: float, seed: int) -> tuple[list[int], list[int]]:
    """Return (kept, set aside): positions, with ``part`` in (0, 1) of every class set aside at random, at least one.

    Raises DataError where a class has fewer than two members.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    kept: list[int] = []
    aside: list[int] = []
    for label in sorted(set(labels)):
        members = random.permutation([i for i, other in enumerate(labels) if other == label]).tolist()
        if len(members) < 2:
            raise DataError(f"data: must have two or more examples of every class, got {len(members)} of '{label}'")
        count = min(max(1, round(part * len(members))), len(members) - 1)
        aside += members[:count]
        kept += members[count:]
    return sorted(kept), sorted(aside)
