"""A network that ``harness.fit`` has trained: what it did, and what it predicts."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.console.in_python import for_python
from harness.console.numbers import measure
from harness.console.progress import Reporter
from harness.errors import DataError, arguments
from harness.errors.names import Named
from harness.models.exported import check_place, describe_model, write_model
from harness.models.formats.writing import check_formats, write_formats
from harness.models.predict import PredictionRequest, predict_table
from harness.models.trained import Model, Origin
from harness.plugin.runs import Done, Epoch, Run
from harness.records.checked import save_tensors
from harness.records.files import check_out_file, new_folder
from harness.results.pictures.plain_svg import COLORS, curves
from harness.results.tables.class_probabilities import as_probabilities
from harness.results.top_losses import TopLosses, losses_table
from harness.running.after.thumbnails import small
from harness.running.description import weights_of
from harness.running.prepare import Prepared, cut_of
from harness.running.python.talking import texts
from harness.training.batches import MEAN, STD

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from pandas import DataFrame


@dataclass(frozen=True)
class Fitted:
    """A trained network.

    ``epochs`` has a row per epoch, with the learning rate and every metric. ``metrics`` has the scores at the end, by
    SPLIT_NAME: ``test_accuracy``. ``predictions`` are those of the test split ``[N, ...]``, and ``targets`` what is right.
    ``weights`` are the network's ``state_dict``.
    """

    run: Run  # everything that decides what comes out
    epochs: DataFrame
    metrics: Mapping[str, float]
    predictions: NDArray[np.float32]
    targets: NDArray[Any]
    weights: Mapping[str, torch.Tensor]
    setting: Prepared
    plugins: tuple[Path, ...] = ()

    @classmethod
    def of(cls, setting: Prepared, run: Run, plugins: tuple[Path, ...], epochs: Sequence[Epoch], done: Done) -> Fitted:
        """Return what a training gave."""
        import numpy as np
        import pandas as pd

        rows = [{"epoch": e.number, "steps": e.steps, "lr": e.lr, "seconds": e.seconds, **e.metrics} for e in epochs]
        predictions = np.zeros((0,), np.float32) if done.predictions is None else done.predictions
        table = pd.DataFrame(rows)
        metrics = Named(done.metrics, "metrics", "a score")
        return cls(run, table, metrics, predictions, setting.data.test.targets, done.weights, setting, plugins)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes; none where the data have none."""
        return self.setting.data.classes

    @cached_property
    def confusion(self) -> DataFrame:
        """How many test examples of each class (a row) were taken for each class (a column)."""
        import numpy as np
        import pandas as pd

        probabilities = self._probabilities()
        counts = np.zeros((len(self.classes), len(self.classes)), dtype=int)
        np.add.at(counts, (self.targets, probabilities.argmax(axis=1)), 1)
        return pd.DataFrame(
            counts, index=pd.Index(self.classes, name="label"), columns=pd.Index(self.classes, name="predicted")
        )

    def top_losses(self, n: int = 12) -> TopLosses:
        """Return the test examples that the network is most wrong about; a notebook shows their photos.

        Args:
            n: How many, at the most.

        Raises:
            DataError: The predictions are no class probabilities.
        """
        test = self.setting.data.test
        table = losses_table(self._probabilities(), self.targets, list(self.classes), list(test.names), n)
        is_photo = test.inputs.ndim == 4 and test.inputs.shape[-1] == 3
        photos = tuple(small(test.inputs[int(row)]) if is_photo else None for row in table["row"])
        return TopLosses(self.run.arm.name, table, photos)

    def predict(self, photos: str | Path, tta: bool = False, ids: str = PredictionRequest.ids) -> DataFrame:
        """Return a row for each photo of a folder or a zip: ``id``, and the probabilities as ``harness.predict`` has them.

        Args:
            photos: A folder, or a zip, of photos.
            tta: Whether to average over views of each photo: as it is, mirrored, and four corners.
            ids: What names a photo: "number" for N of N.jpg, and the file's name of any other; or "name", without its suffix.

        Raises:
            DataError: The network was not trained on photos, or there are none.
        """
        with tempfile.TemporaryDirectory(prefix="harness-fit-") as folder:
            model = self.save(Path(folder) / "model")
            request = PredictionRequest(
                model, arguments.path("photos", photos), tta=tta, clip=(0.0, 1.0), plugins=self.plugins, ids=ids
            )
            with for_python():
                return predict_table(request, Reporter(quiet=True))

    def save(self, folder: str | Path, formats: Iterable[str] = (), force: bool = False) -> Path:
        """Write the network into a new folder, which ``harness.predict`` and ``harness predict`` take; return the folder.

        Args:
            folder: The folder.
            formats: Further formats of the same model: "onnx", "torchscript" or "timm".
            force: Whether to replace a model that is in the folder already.

        Raises:
            DataError: The network was not trained on photos of classes, or the folder cannot be written.
        """
        out, format_names = arguments.path("folder", folder), texts("formats", formats, "names of formats")
        with for_python({"--out:": "folder:"}):
            self._save(out, format_names, arguments.flag("force", force))
        return out

    def _save(self, out: Path, formats: tuple[str, ...], force: bool) -> None:
        check_place(out, force)
        model, plan = self._model(), self.setting.plan
        used = plan.weights.get(model.backbone) if model.head else None
        with new_folder(out, "name another folder", replaces=force) as inside:
            file = inside / "network.safetensors"
            save_tensors(file, self.weights)
            backbone = f"backbone{used.file.suffix}" if used else ""
            if used:
                shutil.copyfile(used.file, inside / backbone)
            saved = replace(model, files=(file,))
            check_formats(formats, saved)
            written = write_formats(formats, saved, self.setting.registry, inside)
            description = describe_model(saved, backbone)
            write_model(inside, {**description, "formats": written, "settings": {"precision": self.run.precision}})

    def save_weights(self, file: str | Path) -> Path:
        """Write the network's ``state_dict`` as safetensors, for ``train.pretrained`` or another program; return the file.

        Args:
            file: A new file, or one that this has written before.

        Raises:
            DataError: The file cannot be written.
        """
        out = arguments.path("file", file)
        with for_python({"--out:": "file:"}):
            check_out_file(out)
        save_tensors(out, self.weights)
        return out

    def _probabilities(self) -> NDArray[np.float64]:
        probabilities = as_probabilities(self.predictions, len(self.classes), self.targets)
        if probabilities is None:
            raise DataError(
                f"{self.run.arm.name}: must predict probabilities of two or more classes, got the task '{self.run.task}'"
            )
        return probabilities

    def _model(self) -> Model:
        """Return the network as one that predicts photos; raises DataError where it was not trained on photos of classes."""
        setting, arm = self.setting, self.run.arm
        data, plan = setting.data, setting.plan
        if len(data.classes) < 2 or data.train.inputs.ndim != 4:
            raise DataError(f"{arm.name}: must be trained on photos of two or more classes, got {data.name}")
        looks = plan.weights.get(arm.backbone)
        offers = [entry for entries in setting.registry.offers.values() for entry in entries.values()]
        used = {entry.plugin: entry for entry in offers if entry.sha256 in set(self.run.plugins.values())}
        plugins = {name: {"origin": entry.origin, "sha256": entry.sha256} for name, entry in used.items()}
        return Model(
            origin=Origin(Path(), plugins, weights_of(setting)),
            arm=arm.name,
            backbone=arm.backbone,
            head=arm.head,
            task=plan.task.name,
            classes=data.classes,
            cut=cut_of(plan),
            mean=tuple(looks.mean) if looks else MEAN,
            std=tuple(looks.std) if looks else STD,
            files=(),
            why=f"{arm.name}, fitted",
            notice=data.notice,
        )

    # --- how it shows itself

    def __repr__(self) -> str:
        return f"<fitted {self.run.arm.name}: {', '.join(self._scores())} after {self.run.epochs} epochs>"

    def _scores(self) -> list[str]:
        plan = self.setting.plan
        names = [f"{split}_{plan.metric}" for split in ("train", "tune", "test", "tta_test")]
        return [
            f"{name.replace('_', ' ')} {measure(self.metrics[name], plan.goal.unit)}"
            for name in names
            if name in self.metrics
        ]

    def _repr_html_(self) -> str:
        from markupsafe import Markup

        metric = f"tune_{self.setting.plan.metric}"
        parts = [Markup("<p><strong>{}</strong>: {}</p>").format(self.run.arm.name, ", ".join(self._scores()))]
        for column, color in ((metric, COLORS[0]), ("running_loss", COLORS[3]), ("lr", COLORS[2])):
            if column in self.epochs:
                points = list(zip(self.epochs["epoch"], self.epochs[column].astype(float), strict=True))
                title = f"{column.replace('_', ' ')}, epoch by epoch"
                parts += [
                    Markup("<p><small>{}</small></p>").format(title),
                    curves({column: points}, title, {column: color}),
                ]
        return str(Markup("").join(parts))
