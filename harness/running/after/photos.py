"""What a finished comparison keeps besides scores, so that its report can show photos and name suspects.

Only for photos of classes; other data have nothing of this.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.benchmark.plan import Setting
from harness.console.progress import Reporter
from harness.data.likeness import VERSION, likeness
from harness.plugin.contracts import Analysis, Data
from harness.plugin.registry import Registry
from harness.records import Store, open_records
from harness.running.after.folds import predict_out_of_fold
from harness.running.after.thumbnails import write_thumbnails
from harness.running.driver import Driver


def name_examples(data: Data, store: Store) -> None:
    """Enter every photo's name and class, once for the data that the run has."""

    def enter() -> dict[str, Any]:
        store.set_examples(_examples(data))
        return {}

    if data.are_photos:
        store.once("examples", {"fingerprint": data.fingerprint}, enter)


def _examples(data: Data) -> Iterator[tuple[str, int, str, int, bool]]:
    for split in ("train", "tune", "test"):
        photos, excluded = getattr(data, split), set(data.excluded.get(split, ()))
        for row, (name, target) in enumerate(zip(photos.names, photos.targets, strict=True)):
            yield split, row, name, int(target), name in excluded


def record_photos(setting: Setting, driver: Driver, store: Store, registry: Registry, reporter: Reporter) -> list[str]:
    """Compare the photos, predict the train split out of fold where that is asked for, keep thumbnails.

    Returns a line for what failed.
    """
    data = setting.data
    if not data.are_photos or not driver.compared:
        return []
    made_of = {"fingerprint": data.fingerprint, "version": VERSION}
    store.once("likeness", made_of, lambda: likeness(data, reporter))
    failures = _folds(setting, driver, store, reporter) if setting.plan.benchmark.compare.folds else []
    analyses = [
        analysis for analysis in registry.all("analysis") if isinstance(analysis, Analysis) and analysis.thumbnails
    ]
    thumbnails = write_thumbnails(open_records(store.folder), data, analyses)
    store.promise(thumbnails, instead_of="thumbnails/")
    return failures


def _folds(setting: Setting, driver: Driver, store: Store, reporter: Reporter) -> list[str]:
    """Predict the train split with the arm that did best on tune; the test split has no say."""
    sign = setting.plan.searched.sign
    arms = {competitor.name for competitor in setting.plan.competitors}
    searches = [search for search in driver.searches if search.arm in arms]
    tuned = [(search.arm, best) for search in searches if (best := search.best()) is not None]
    if not tuned:
        return []
    arm, best = max(tuned, key=lambda pair: sign * pair[1]["value"])
    failure = predict_out_of_fold(
        setting,
        setting.plan.competitor(arm),
        best["params"],
        store,
        reporter,
        driver.session.earlier,
        lambda: driver.executor,
    )
    return [failure] if failure else []
