"""A table of numbers as arrays in a folder, ``.npz`` or ``.npy`` files, ``[N, F]`` (the files are those of ``_arrays``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from harness import Data, DataError, DataRequest, Dataset, hookimpl, table_data
from harness_plugins.datasets._arrays import OPTIONS, read_parts, texts_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


def open_table(request: DataRequest) -> Data:
    """Return a table: classes where the targets are whole numbers or texts, else values."""
    parts = read_parts("table", request)
    for part in parts.values():
        if part.inputs.ndim != 2 or part.inputs.dtype.kind not in "iufb":
            raise DataError(
                f"{request.root}: array '{part.name}' must be a table of numbers [N, F], got {part.inputs.dtype} "
                f'{list(part.inputs.shape)}; data.dataset = "arrays" takes images'
            )
    classes = _class_names(part.targets for part in parts.values())
    numbers = {label: number for number, label in enumerate(classes)}
    tables = {}
    for name, part in parts.items():
        tables[name] = (part.inputs, _numbered(part.targets, numbers) if classes else part.targets)
    assert request.root is not None
    return table_data("table", tables, request, source=f"arrays in {request.root.resolve()}", classes=classes)


def _numbered(targets: NDArray[Any], numbers: Mapping[str, int]) -> list[int]:
    return [numbers[label] for label in texts_of(targets)]


def _class_names(targets: Iterable[NDArray[Any]]) -> list[str]:
    """Return the names of the classes, in the order of their numbers; none where the targets are values."""
    labels: set[Any] = set()
    for of_part in targets:
        if of_part.dtype.kind == "f":
            return []
        labels |= set(of_part.tolist())
    return [str(label) for label in sorted(labels)]


@hookimpl
def harness_datasets() -> list[Dataset]:
    """Offer table; its options are words that the names of inputs and targets have instead of x and y."""
    return [Dataset("table", open_table, options=OPTIONS)]
