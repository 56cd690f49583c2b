"""The contract of a dataset: what a benchmark asks of it, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import printable
from harness.plugin.contracts.spaces import Space

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Split:
    """One of the three splits of the data: its inputs and targets, row by row.

    >>> import numpy as np
    >>> split = Split(np.zeros((2, 3), np.float32), np.array([0, 1]), ("a.jpg", "b.jpg"))
    >>> len(split)
    2
    """

    inputs: NDArray[Any]  # images: uint8 [N, H, W, 3], usually memory-mapped; anything else: float32 [N, F]
    targets: NDArray[Any]  # what the task understands: class numbers int64 [N], or values float32 [N, K]
    names: tuple[str, ...]  # N names, unique within the data: file names, row numbers

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one example as a network sees it: ``(3, H, W)`` or ``(F,)``; images are stored with their channels last."""
        shape = tuple(self.inputs.shape[1:])
        return (shape[2], *shape[:2]) if len(shape) == 3 else shape

    def read_only(self) -> Split:
        """Return the split with arrays that no plugin can write to by mistake. They are views of these."""
        inputs, targets = self.inputs.view(), self.targets.view()
        inputs.flags.writeable = targets.flags.writeable = False
        return Split(inputs, targets, self.names)


@dataclass(frozen=True)
class Data:
    """A dataset opened: three splits, and what a reader of the report must know about them.

    >>> import numpy as np
    >>> split = Split(np.zeros((2, 8, 8, 3), np.uint8), np.array([0, 1]), ("a.jpg", "b.jpg"))
    >>> Data("tiny", split, split, split, fingerprint="0", source="made up", classes=("cat", "dog")).are_photos
    True
    """

    name: str  # of the dataset
    train: Split  # networks are trained on it
    tune: Split  # the search sees it
    test: Split  # touched once per final model, never by the search
    fingerprint: str  # of contents, labels and splits: equal fingerprints are equal data
    source: str  # where it came from, for a person
    classes: tuple[str, ...] = ()  # names of the classes, by their number; none where the targets are no classes
    notice: str = ""  # stands in plain sight on the console and in the report, e.g. that these are drawings
    left_out: tuple[str, ...] = ()  # unreadable examples that were skipped, each with its reason
    excluded: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by split: names the benchmark leaves out
    skipped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # files by reason; the harness sets it

    @property
    def are_photos(self) -> bool:
        """Whether the examples are images of two or more classes."""
        return self.train.inputs.ndim == 4 and len(self.classes) >= 2 and self.train.targets.ndim == 1


@dataclass(frozen=True)
class DataRequest:
    """What a benchmark asks of a dataset.

    >>> from pathlib import Path
    >>> request = DataRequest(Path("photos"), required=True, size=64, tune=0.2, seed=0, on_bad_image="skip", options={})
    >>> request.interpolation
    'lanczos'
    """

    root: Path | None  # --data, $HARNESS_DATA or an existing ./data; None where there is none
    required: bool  # the user named ``root``: it must be used, or refused with a DataError
    size: int  # pixels: images become [size, size]
    tune: float  # the part of train, in (0, 1), that becomes the tune split where the source has only two
    seed: int  # of every random choice the dataset makes
    on_bad_image: Literal["error", "skip"]  # what to do about a photo that cannot be read
    options: Mapping[str, Any]  # the dataset's own, checked against ``Dataset.options``
    progress: Callable[[str, int, int], None] = lambda what, done, total: None  # to be called with what is under way
    interpolation: str = "lanczos"  # bilinear, bicubic or lanczos: how photos are resized
    crop: float = 1.0  # the part of a photo's short side, in (0, 1], that the central square keeps
    skipped: Callable[[Path, str], None] = lambda file, reason: None  # to be called with each file that is passed over
    valid: float = 0.2  # the part of train, in (0, 1), that becomes the test split where the source has no second split
    labels: Path | None = None  # the CSV file that has the classes of the photos; None where their folders say them


@dataclass(frozen=True)
class Photo:
    """A photo of a dataset: its name, its class, its split, and how to read its bytes.

    Name and label are made printable here, once, so that every table, page and file can take them.

    >>> Photo("cats/1.jpg", "cats", read=lambda: b"").split
    'train'
    """

    name: str  # within the data, with "/" on every system
    label: str  # its class; empty where none is known
    read: Callable[[], bytes]  # returns its bytes, from any thread
    split: str = "train"  # train, tune or test; a photo that is listed for ``photo_dataset`` may be of valid too
    listed: str = ""  # where it is listed, for messages: "labels.csv:17"

    def __post_init__(self) -> None:
        """Escape what is not UTF-8 in the names of file and folder."""
        object.__setattr__(self, "name", printable(self.name))
        object.__setattr__(self, "label", printable(self.label))


@dataclass(frozen=True)
class Download:
    """Where a dataset can be downloaded: an archive of folders with photos.

    >>> Download("https://example.org/photos.zip", files={"cats": 100, "dogs": 100}).sha256
    ''
    """

    url: str  # of the archive
    files: Mapping[str, int]  # folder -> how many files it has once unpacked; below one folder of any name, or none
    sha256: str = ""  # of the archive; empty where none was published
    size: int = 0  # bytes, about; 0 where unknown
    license: str = ""  # what a user must know before using it


@dataclass(frozen=True)
class Dataset:
    """A source of data: ``open(request)`` returns it, decoded once and kept on disk.

    ``open`` raises DataError where the data are missing, broken or too small. A dataset of photos has ``photos(request)``
    too. It returns a context manager that gives the folder or archive and all of its photos, with labels and splits as in
    ``open``. They can be read until the context is left. It decodes nothing, and raises DataError where there are no photos.

    >>> def open_data(request): ...
    >>> Dataset("clouds", open_data, options={"points": 200}).name
    'clouds'
    """

    name: str  # by which a benchmark asks for it
    open: Callable[[DataRequest], Data]
    options: Mapping[str, Any] = field(default_factory=dict)  # the keys of [data.options], with their defaults
    limits: Space = field(default_factory=dict)  # what a benchmark may set an option to, as far as that has ends
    photos: Callable[[DataRequest], AbstractContextManager[tuple[Path, Sequence[Photo]]]] | None = None
    labels: bool = False  # whether it reads the classes of photos from ``DataRequest.labels``
    takes_folder: bool = True  # whether it looks in a folder of the user's; one that does not is never given any
    download: Download | None = None  # what ``harness data get`` downloads
    reference: str = ""  # a paper or an address, for the report
