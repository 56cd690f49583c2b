"""Photos that are listed, whatever they lie in, become a dataset: split, decoded once, and every unreadable one named.

All layouts and all libraries pass here. So photos that are broken, equal or in two splits are treated alike everywhere.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.data.images import decode_photos
from harness.data.splits import PARTS, SPLITS, assigned, parts_to_cut
from harness.errors import DataError, arguments, shown
from harness.plugin.contracts import Data, DataRequest, Dataset, Download, Photo, Split
from harness.plugin.runs import digest

if TYPE_CHECKING:
    from harness.plugin.contracts import Space

PNG_MODES = ("1", "L", "LA", "I;16", "P", "RGB", "RGBA")  # of Pillow's pictures that a PNG file can have

Listing = Callable[[DataRequest], Iterable[Photo] | AbstractContextManager[tuple[Path, Iterable[Photo]]]]


def photo_dataset(
    name: str,
    photos: Listing,
    *,
    options: Mapping[str, Any] | None = None,
    limits: Space | None = None,
    labels: bool = False,
    takes_folder: bool = True,
    download: Download | None = None,
    reference: str = "",
) -> Dataset:
    """Return a dataset of the photos that a function lists.

    The photos may be of some of four parts: train, valid, test and tune. Without a test part valid is the test split, and
    with one it is the tune split. A split that is then still missing is cut out of train: ``data.valid`` of every class
    for test, and after that ``data.tune`` of every class for tune.

    Args:
        name: By which a benchmark asks for the dataset.
        photos: ``photos(request)`` returns or yields every photo; it decodes nothing. It may also be a context manager that
            gives the folder or the archive and the photos, where they can be read only until it is left.
        options: The keys of ``[data.options]``, with their defaults.
        limits: What a benchmark may set an option to.
        labels: Whether it reads the classes from ``request.labels``.
        takes_folder: Whether it looks in a folder of the user's.
        download: What ``harness data get`` downloads.
        reference: A paper or an address, for the report.

    Returns:
        The dataset, which ``harness data inspect`` and ``harness check`` can look at.

    >>> from harness import image_bytes
    >>> import numpy as np
    >>> def photos(request):
    ...     for i in range(20):
    ...         square = np.full((8, 8, 3), 10 * i, np.uint8)
    ...         yield Photo(f"square {i}", "dark" if i < 10 else "light", lambda square=square: image_bytes(square))
    >>> dataset = photo_dataset("squares", photos, takes_folder=False)
    >>> data = dataset.open(DataRequest(None, False, size=8, tune=0.2, seed=0, on_bad_image="error", options={}))
    >>> len(data.train), len(data.tune), len(data.test), data.classes
    (12, 4, 4, ('dark', 'light'))
    """
    arguments.text("name", name)
    arguments.function("photos", photos)

    @contextmanager
    def listed(request: DataRequest) -> Iterator[tuple[Path, list[Photo]]]:
        photos_given = photos(request)
        if isinstance(photos_given, AbstractContextManager):
            with photos_given as (root, inside):
                yield root, _split(root, list(inside), request)
            return
        root = request.root if takes_folder and request.root else Path(name)
        yield root, _split(root, list(photos_given), request)

    def open_split(request: DataRequest) -> Data:
        with listed(request) as (root, split):
            return open_photos(name, root, split, request)

    return Dataset(
        name,
        open_split,
        options={} if options is None else arguments.mapping("options", options, "options by their names"),
        limits={} if limits is None else arguments.mapping("limits", limits, "distributions by the names of options"),
        photos=listed,
        labels=arguments.flag("labels", labels),
        takes_folder=arguments.flag("takes_folder", takes_folder),
        download=download if download is None else arguments.instance("download", download, Download, "a Download"),
        reference=arguments.text("reference", reference),
    )


def _split(where: Path, photos: list[Photo], request: DataRequest) -> list[Photo]:
    """Return the photos split by split, in the order in which they were listed."""
    _check(where, photos)
    rows = assigned([photo.split for photo in photos], [photo.label for photo in photos], request)
    return [replace(photos[i], split=split) for split in SPLITS for i in rows[split]]


def _check(where: Path, photos: Sequence[Photo]) -> None:
    """Raise DataError where the photos are none, of one class, of two with one name, or too few of a class."""
    counts: dict[str, dict[str, int]] = {}
    listed: dict[str, str] = {}  # by label, where its first photo is listed
    names: set[str] = set()
    for photo in photos:
        if not isinstance(photo, Photo):
            raise TypeError(f"photos: must list Photos, got {arguments.describe(photo)}")
        if photo.split not in PARTS:
            raise DataError(f"{where}: must have photos of {', '.join(PARTS)}, got {photo.name!r} of {photo.split!r}")
        if photo.name in names:
            raise DataError(f"{where}: must have photos of different names, got two of {photo.name!r}")
        names.add(photo.name)
        listed.setdefault(photo.label, photo.listed)
        of_label = counts.setdefault(photo.label, {})
        of_label[photo.split] = of_label.get(photo.split, 0) + 1
    if len(counts) < 2:
        label = next(iter(counts), "")
        photos_text = f"only {shown(label)}; add photos of another class" if counts else "no photo"
        raise DataError(f"{listed.get(label) or where}: must have photos of two or more classes, got {photos_text}")
    if fault := class_fault(counts):
        label, text = fault
        raise DataError(
            f"{listed[label] or where}: must have photos of every class in every split, got {text} for {shown(label)}; "
            "add photos of it, or leave the class out"
        )


def class_fault(counts: Mapping[str, Mapping[str, int]]) -> tuple[str, str] | None:
    """Return the first class that has too few photos for all splits, by its counts by part, and what it has; else None.

    >>> class_fault({"cat": {"train": 9}, "dog": {"train": 2}})
    ('dog', '2 photos, of which train, test and tune need 1 each')
    """
    parts = sorted({part for of_label in counts.values() for part in of_label})
    cut = parts_to_cut(parts)
    for label, of_label in counts.items():
        for part in parts if "train" in parts else (*parts, "train"):
            count = of_label.get(part, 0)
            if part == "train" and 0 < count <= len(cut):
                needing = ", ".join(("train", *cut)[:-1]) + f" and {cut[-1]}"
                return label, f"{count} photo{'s'[: count > 1]}, of which {needing} need 1 each"
            if not count:
                return label, f"none in {part}"
    return None


def open_photos(name: str, where: Path, photos: Sequence[Photo], request: DataRequest) -> Data:
    """Return the photos decoded and split; raises DataError for an unreadable one unless they are to be skipped.

    Photos of one split that follow each other are a view of the store on disk, others are copied into memory.
    """
    store = decode_photos(
        photos, request.size, request.progress, interpolation=request.interpolation, crop=request.crop
    )
    broken = {i: f"{photos[i].name}: {reason}" for i, reason in store.broken.items()}
    if broken and request.on_bad_image == "error":
        shown_names = "; ".join(list(broken.values())[:3])
        raise DataError(
            f"{where}: must have readable photos, got {len(broken)} of {len(photos)} unreadable: {shown_names}"
            f'{" ..." if len(broken) > 3 else ""}; remove them, or set data.on_bad_image = "skip"'
        )
    classes = in_order({photo.label for photo in photos})
    described = [[photo.label, photo.split, key] for photo, key in zip(photos, store.keys, strict=True)]
    shown_as = [request.size, request.interpolation, float(request.crop)]
    splits = {split: _of_split(split, where, photos, store.pixels, broken, classes) for split in SPLITS}
    return Data(
        name=name,
        train=splits["train"],
        tune=splits["tune"],
        test=splits["test"],
        fingerprint=digest([name, shown_as, store.sha256, sorted(broken), described]),
        source=f"photos in {where.resolve()}" if where.exists() else f"photos of {where}",
        classes=tuple(classes),
        left_out=tuple(broken.values()),
    )


def in_order(labels: Iterable[str]) -> list[str]:
    """Return the classes in the order of their numbers: by number where all of them are numbers, else by name.

    >>> in_order(["10", "9"]), in_order(["10", "9", "cat"])
    (['9', '10'], ['10', '9', 'cat'])
    """
    names = sorted(set(labels))
    return sorted(names, key=int) if all(name.isascii() and name.isdigit() for name in names) else names


def _of_split(
    split: str, where: Path, photos: Sequence[Photo], pixels: Any, broken: Mapping[int, str], classes: Sequence[str]
) -> Split:
    """Return the readable photos of a split; raises DataError where a class has none."""
    import numpy as np

    rows = [i for i, photo in enumerate(photos) if photo.split == split and i not in broken]
    missing = sorted(set(classes) - {photos[i].label for i in rows})
    if missing:
        raise DataError(
            f"{where}: must have readable photos of every class in every split, got none of '{missing[0]}' in {split}"
        )
    first, last = rows[0], rows[-1] + 1
    is_range = len(rows) == last - first  # then a view of the memory-mapped store serves
    number = {label: i for i, label in enumerate(classes)}
    targets = np.array([number[photos[i].label] for i in rows], dtype=np.int64)
    return Split(pixels[first:last] if is_range else pixels[rows], targets, tuple(photos[i].name for i in rows))


def image_bytes(image: Any) -> bytes:
    r"""Return a picture that a library has in memory as the bytes of a PNG file, without a loss.

    Args:
        image: A picture of Pillow, or an array ``uint8 [H, W]``, ``[H, W, 1]``, ``[H, W, 3]`` or ``[H, W, 4]``.

    Returns:
        The bytes, which ``Photo.read`` may return.

    Raises:
        TypeError: It is neither.
        ValueError: The array has another type or other axes, or the picture is empty.

    >>> import numpy as np
    >>> image_bytes(np.zeros((8, 8, 3), np.uint8))[:4]
    b'\x89PNG'
    """
    import numpy as np
    from PIL import Image

    picture = image
    if isinstance(image, np.ndarray):
        axes = image.shape[:2] if image.ndim == 3 and image.shape[2] == 1 else image.shape
        if image.dtype != np.uint8 or not (len(axes) == 2 or (len(axes) == 3 and axes[2] in (3, 4))) or not image.size:
            must = "a picture uint8 [H, W], [H, W, 1], [H, W, 3] or [H, W, 4]"
            raise ValueError(f"image: must be {must}, got {image.dtype} {list(image.shape)}")
        picture = Image.fromarray(np.ascontiguousarray(image.reshape(axes)))
    elif not isinstance(image, Image.Image):
        raise TypeError(f"image: must be a picture of Pillow or an array, got {arguments.describe(image)}")
    if picture.mode not in PNG_MODES:
        picture = picture.convert("RGB")
    content = io.BytesIO()
    picture.save(content, "png", compress_level=1)
    return content.getvalue()
