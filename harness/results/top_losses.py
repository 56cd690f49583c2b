"""The photos that an arm is most wrong about: ``run.top_losses()``."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.console.numbers import measure, percent
from harness.console.safe_text import impersonal
from harness.errors import RunFolderError, arguments
from harness.records import Records
from harness.results.tables.class_probabilities import arm_probabilities, class_names, class_targets

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

LEAST = 1e-12  # a probability of 0 has this one's loss, so that every loss is finite
COLUMNS = ("file", "label", "predicted", "given", "probability", "loss", "split", "row")


@dataclass(frozen=True)
class TopLosses:
    """Test examples with their losses, the highest first. A notebook shows them with their photos.

    ``table`` has a row per example: its ``file``, its ``label``, the class ``predicted``, the probability ``given`` to the
    label, the ``probability`` of the class predicted, the ``loss`` (-ln given, in nats), and ``split`` and ``row``.
    ``photos`` has a small JPEG for each row, or None where none was kept.
    """

    arm: str
    table: DataFrame
    photos: tuple[bytes | None, ...]

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        return f"{self.arm}\n{self.table.to_string(index=False)}"

    def _repr_html_(self) -> str:
        from markupsafe import Markup

        tile = Markup(
            "<figure style='display:inline-block;margin:6px;width:130px;vertical-align:top'>{}<figcaption><small>{}</small></figcaption></figure>"
        )
        tiles = []
        for row, photo in zip(self.table.to_dict("records"), self.photos, strict=True):
            words = (
                f"{row['label']}, predicted {row['predicted']}; probability of the label {percent(row['given'])}; "
                f"loss {measure(row['loss'], 'nats')}"
            )
            tiles.append(tile.format(photo_html(photo, str(row["file"])), words))
        return str(Markup("<p><small>{}</small></p>").format(impersonal(self.arm)) + Markup("").join(tiles))


def photo_html(photo: bytes | None, file: str) -> Any:
    """Return a photo as an element of HTML; the name of its file where there is none."""
    from markupsafe import Markup

    if photo is None:
        return Markup("<span>{}</span>").format(file)
    picture = base64.b64encode(photo).decode("ascii")
    element = Markup('<img alt="{}" title="{}" style="max-width:120px" src="data:image/jpeg;base64,{}">')
    return element.format(file, file, picture)


def top_losses(records: Records, arm: str, n: int) -> TopLosses:
    """Return the ``n`` test examples with the highest losses of an arm, by the mean probability over its seeds.

    Raises RunFolderError where the arm has no class probabilities.
    """
    probabilities = arm_probabilities(records).get(arm)
    if probabilities is None:
        raise RunFolderError(
            f"{records.folder}: must have class probabilities of {arm} for its most wrong photos, got none; "
            "its comparison runs have to end well, and its task has to predict classes"
        )
    names = records.examples[records.examples["split"] == "test"].sort_values("row")["name"].tolist()
    table = losses_table(probabilities.mean(axis=0), class_targets(records, "test"), class_names(records), names, n)
    photos = tuple(records.thumbnail("test", int(row)) for row in table["row"])
    return TopLosses(arm, table, photos)


def losses_table(
    probabilities: NDArray[np.float64], targets: NDArray[np.int64], classes: list[str], files: list[str], n: int
) -> DataFrame:
    """Return a row for each of the ``n`` examples with the highest losses, from probabilities ``[N, K]``, the highest first."""
    import numpy as np
    import pandas as pd

    arguments.whole("n", n, 1)
    everyone = np.arange(len(targets))
    label_probability, predicted = probabilities[everyone, targets], probabilities.argmax(axis=1)
    first = np.argsort(label_probability, kind="stable")[:n]
    return pd.DataFrame(
        {
            "file": [files[i] if i < len(files) else f"test {i}" for i in first],
            "label": [classes[k] for k in targets[first]],
            "predicted": [classes[k] for k in predicted[first]],
            "given": label_probability[first],
            "probability": probabilities[first, predicted[first]],
            "loss": -np.log(np.maximum(label_probability[first], LEAST)),
            "split": "test",
            "row": first,
        },
        columns=list(COLUMNS),
    )
