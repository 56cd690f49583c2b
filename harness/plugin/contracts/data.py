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
    """One of the three splits: ``inputs`` and ``targets`` row by row.

    Images are ``uint8 [N, H, W, 3]`` (usually memory-mapped), anything else is ``float32 [N, F]``. Targets are
    whatever the task understands: ``int64 [N]`` class numbers, ``float32 [N, K]`` values.
    """

    inputs: NDArray[Any]
    targets: NDArray[Any]
    names: tuple[str, ...]  # one per row, unique within the data: a file name, a row number

    def __len__(self) -> int:
        return len(self.targets)

    def read_only(self) -> Split:
        """Return the split with arrays that no plugin can write to by mistake; they are views of these."""
        inputs, targets = self.inputs.view(), self.targets.view()
        inputs.flags.writeable = targets.flags.writeable = False
        return Split(inputs, targets, self.names)


@dataclass(frozen=True)
class Data:
    """A dataset opened: three splits and what a reader of the report must know about them."""

    name: str
    train: Split
    tune: Split  # the search sees it
    test: Split  # touched once per final model, never by the search
    fingerprint: str  # of contents, labels and splits: equal fingerprints are equal data
    source: str  # where it came from, for a person
    classes: tuple[str, ...] = ()
    notice: str = ""  # said in plain sight on the console and in the report, e.g. that these are drawings
    left_out: tuple[str, ...] = ()  # unreadable examples that were skipped, each with its reason
    excluded: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by split: names the benchmark leaves out
    skipped: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # by reason: files passed over, set by the harness

    @property
    def are_photos(self) -> bool:
        """Whether the examples are images of two or more classes."""
        return self.train.inputs.ndim == 4 and len(self.classes) >= 2 and self.train.targets.ndim == 1


@dataclass(frozen=True)
class DataRequest:
    """What a benchmark asks of a dataset."""

    root: Path | None  # --data, $HARNESS_DATA or an existing ./data; None where there is none
    required: bool  # the user named ``root``: it must be used, or refused with a DataError
    size: int  # pixels, images become [size, size]
    tune: float  # the part of train, in (0, 1), that becomes the tune split where the source has only two
    seed: int  # of every random choice the dataset makes
    on_bad_image: Literal["error", "skip"]
    options: Mapping[str, Any]  # the dataset's own, checked against ``Dataset.options``
    progress: Callable[[str, int, int], None] = lambda what, done, total: None
    interpolation: str = "lanczos"  # bilinear, bicubic or lanczos: how photos are resized
    crop: float = 1.0  # the part of a photo's short side, in (0, 1], that the central square keeps
    skipped: Callable[[Path, str], None] = lambda file, reason: None  # to be called with each file that is passed over


@dataclass(frozen=True)
class Photo:
    """A photo found: its name within the data, its class, how to get at its bytes, and its split.

    Name and label are made printable here, once, so that every table, page and file can take them.
    """

    name: str  # with "/", on every system
    label: str  # empty where nobody has said
    read: Callable[[], bytes]  # from any thread
    split: str = "train"  # train, tune or test

    def __post_init__(self) -> None:
        """Escape what is not UTF-8 in the names of file and folder."""
        object.__setattr__(self, "name", printable(self.name))
        object.__setattr__(self, "label", printable(self.label))


@dataclass(frozen=True)
class Download:
    """Where a dataset can be got from: an archive of folders with photos."""

    url: str
    files: Mapping[str, int]  # folder -> how many files it has once unpacked; below one folder of any name, or none
    sha256: str = ""  # of the archive; empty where nobody has published it
    size: int = 0  # bytes, about; 0 where unknown
    license: str = ""  # what a user must know before using it


@dataclass(frozen=True)
class Dataset:
    """A source of data: ``open(request)`` returns it, decoded once and kept on disk.

    One of photos has ``photos(request)``, a context manager that gives (where they are, all of them), readable until
    it is left, with labels and splits as in ``open``; it decodes nothing, and raises DataError where there are none.
    """

    name: str
    open: Callable[[DataRequest], Data]
    options: Mapping[str, Any] = field(default_factory=dict)  # the keys of [data.options], with their defaults
    limits: Space = field(default_factory=dict)  # what a benchmark may set an option to, as far as that has ends
    photos: Callable[[DataRequest], AbstractContextManager[tuple[Path, Sequence[Photo]]]] | None = None
    download: Download | None = None
    reference: str = ""
