"""Parquet files with a column of images and one of labels, as data hubs have them.

    ROOT/train-00000-of-00001.parquet   ROOT/test-00000-of-00001.parquet   or in ROOT/data, or one file for all

The word before the first ``-``, ``_`` or ``.`` of a file's name says of which part of the data it is; without such a word all
is train. The images are the bytes of image files, in a column of bytes or of structs with ``bytes`` (Hugging Face's type
Image). The labels are texts or whole numbers; names of the numbers are taken from the file where Hugging Face's type
ClassLabel wrote them there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from harness import DataError, DataRequest, Dataset, Photo, hookimpl, photo_dataset
from harness_plugins.datasets._layout import NAMES

LABELS = ("label", "labels", "class", "category", "target", "fine_label")  # what a column of labels may be called
OPTIONS = {"image": "", "label": ""}  # the names of the columns, where they are others
GROUPS = 8  # row groups whose images are held in memory


@dataclass(frozen=True)
class _File:
    """A Parquet file: its path, the part of the data it is of, and its columns."""

    path: Path
    part: str
    image: str
    label: str
    names: Sequence[str]  # of the classes by their number; none where the labels say it


def photos_of(request: DataRequest) -> Iterator[Photo]:
    """Yield every image with its label; raises DataError, naming the file and the row, for a label that is none."""
    if request.root is None:
        raise DataError("data.dataset: must be given a folder for 'parquet', got none; name one with --data DIR")
    paths = [*sorted(request.root.glob("*.parquet")), *sorted(request.root.glob("data/*.parquet"))]
    if not paths:
        raise DataError(f"{request.root}: must have .parquet files in it or in its folder data, got none")
    read = lru_cache(GROUPS)(_images)
    for path in paths:
        file = _opened(path, request.options)
        row = 0
        for group, labels in enumerate(_labels(file)):
            for i, label in enumerate(labels):
                name = f"{path.relative_to(request.root).as_posix()} {row}"
                text = _label_text(file, label, row)
                yield Photo(name, text, partial(_image, read, file, group, i), file.part, listed=f"{path} row {row}")
                row += 1


def _opened(path: Path, options: Mapping[str, Any]) -> _File:
    """Return a file with its columns of images and labels; raises DataError where one is missing."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: must be a Parquet file, got {' '.join(str(error).split()):.200}") from error
    columns = ", ".join(f"{column.name} ({column.type})" for column in schema)[:300]
    images = [column.name for column in schema if _holds_images(column.type)]
    image = str(options.get("image") or (images[0] if len(images) == 1 else ""))
    label = str(options.get("label") or next((name for name in LABELS if name in schema.names), ""))
    for role, name, column_names in (("image", image, images), ("label", label, schema.names)):
        if name not in column_names:
            must = "one column of image files, bytes or structs with bytes" if role == "image" else "a column of labels"
            raise DataError(f"{path}: must have {must}, got {columns}; name it in data.options.{role}")
    words = re.split(r"[-_.]", path.stem.lower())
    part = next((part for part, names in NAMES.items() if words[0] in names), "train")
    return _File(path, part, image, label, _class_names(schema.metadata or {}, label))


def _holds_images(type_: Any) -> bool:
    """Return whether a column's type is bytes, or a struct with bytes in it."""
    from pyarrow import types

    if types.is_struct(type_):
        return any(field.name == "bytes" and _holds_images(field.type) for field in type_)
    return bool(types.is_binary(type_) or types.is_large_binary(type_))


def _class_names(metadata: Mapping[bytes, bytes], label: str) -> tuple[str, ...]:
    """Return the names of the classes that Hugging Face's library wrote into a file; none where it did not."""
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError):
        return ()
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _labels(file: _File) -> Iterator[list[Any]]:
    """Yield the labels of every row group."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(file.path) as content:
        for group in range(content.num_row_groups):
            yield content.read_row_group(group, columns=[file.label]).column(0).to_pylist()


def _label_text(file: _File, label: Any, row: int) -> str:
    """Return a label as text."""
    if isinstance(label, str) and label:
        return label
    if isinstance(label, int) and not isinstance(label, bool):
        if file.names and not 0 <= label < len(file.names):
            raise DataError(f"{file.path} row {row}: must have a label from 0 to {len(file.names) - 1}, got {label}")
        return file.names[label] if file.names else str(label)
    raise DataError(f"{file.path} row {row}: must have a label, a text or a whole number, got {label!r:.60}")


def _images(file: Path, column: str, group: int) -> Any:
    """Return the images of a row group."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as content:
        return content.read_row_group(group, columns=[column]).column(column)


def _image(read: Any, file: _File, group: int, row: int) -> bytes:
    """Return the bytes of an image; raises ValueError, which makes it a broken one, where its row has none."""
    value = read(file.path, file.image, group)[row].as_py()
    content = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(content, bytes):
        raise ValueError("no bytes in its row")
    return content


@hookimpl
def harness_datasets() -> list[Dataset]:
    """Offer parquet; its options are the names of the columns."""
    return [photo_dataset("parquet", photos_of, options=OPTIONS)]
