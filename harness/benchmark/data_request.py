"""What a ``[data]`` section asks of its dataset."""

from __future__ import annotations

from typing import Any

from harness.benchmark.sections import DataSection
from harness.data.places import Root
from harness.errors import DataError, shown
from harness.plugin.contracts import DataRequest, Dataset


def data_request(dataset: Dataset, section: DataSection, root: Root, **more: Any) -> DataRequest:
    """Return the request that a ``[data]`` section makes of a dataset in ``root``; ``more`` are fields of the request.

    Raises DataError where the section names a file of labels and the dataset reads none, or there is no folder for it.
    """
    if section.labels and not dataset.labels:
        raise DataError(
            f"data.labels: must be left out for a dataset that reads no labels from a file, got {shown(section.labels)} "
            f"for {shown(dataset.name)}; the datasets folder and dogscats read them"
        )
    if section.labels and root.path is None:
        raise DataError(
            f"data.labels: must be a file in the folder with the data, got {shown(section.labels)} and no folder; name one "
            "with --data DIR"
        )
    return DataRequest(
        root=root.path,
        required=root.required,
        size=section.size,
        tune=section.tune,
        valid=section.valid,
        labels=root.path / section.labels if root.path and section.labels else None,
        seed=section.seed,
        on_bad_image=section.on_bad_image,
        options={**dataset.options, **section.options},
        **more,
    )
