"""The built-in trackers: what they were told is what their own readers find."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness import Listener, ListenerRequest
from harness.plugin.discovery import discover
from harness.testing.listeners import occurrences, run_of

FOUND = discover()


def request(tmp_path, **options):
    folder = tmp_path / "tiny-0a1b2c3d" / "listeners" / "any"
    folder.mkdir(parents=True, exist_ok=True)
    return ListenerRequest(folder, folder.parent.parent, "tiny", {}, options)


def told(name, tmp_path, part=slice(None)):
    """Tell a listener some of a made-up run, in a folder of its own; return the folder."""
    listener = FOUND.get("listener", name, Listener)
    given = request(tmp_path, **listener.options)
    hear = listener.open(given)
    for occurrence in occurrences()[part]:
        hear(occurrence)
    return given.folder


def test_none_is_on_by_default():
    from harness.benchmark.sections import Benchmark

    assert Benchmark(name="any").report.listeners == []
    assert set(FOUND.offers["listener"]) == {"tensorboard", "mlflow", "wandb"}


def test_tensorboard_reads_curves_settings_and_verdict(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    told("tensorboard", tmp_path, slice(0, 6))
    folder = told("tensorboard", tmp_path, slice(6, None))  # as after a kill in the middle of the second run
    run = run_of(0, "compare")
    place = folder / "compare" / "mlp" / "sam_torch_Adam_" / "cosine" / run.id
    board = EventAccumulator(str(place))
    board.Reload()
    assert [(event.step, round(event.value, 6)) for event in board.Scalars("tune_accuracy")] == [(1, 0.6), (2, 0.7)]
    assert [round(event.value, 6) for event in board.Scalars("lr")] == [0.01, 0.01]
    assert [(event.step, round(event.value, 6)) for event in board.Scalars("test_accuracy")] == [(2, 0.9)]
    assert "tune_f1" not in board.Tags()["scalars"]  # it is undefined
    (settings,) = board.Tensors(
        "settings/text_summary" if "settings/text_summary" in board.Tags()["tensors"] else "settings"
    )
    text = settings.tensor_proto.string_val[0].decode()
    assert "| lr | 0.01 |" in text
    assert "| schedule.warmup | 0.1 |" in text
    verdict = EventAccumulator(str(folder / "verdict"))
    verdict.Reload()
    (tag,) = verdict.Tags()["tensors"]
    assert verdict.Tensors(tag)[0].tensor_proto.string_val[0].decode() == "mlp: inconclusive\n  loss: similar"
    assert len(list(place.iterdir())) == 2  # a file a call


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_trackers_without_a_network_have_a_run_for_each_training(name, tmp_path):
    """In a process of its own, as in a run: these libraries start services and threads."""
    pytest.importorskip(name)
    code = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "from pathlib import Path\n"
        "from harness import ListenerRequest\n"
        "from harness.testing.listeners import occurrences\n"
        f"from harness_plugins.listeners.{name} import harness_listeners\n"  # without all other plugins
        "(listener,) = harness_listeners()\n"
        f"folder = Path({str(tmp_path)!r}, 'tiny-0a1b2c3d', 'listeners', {name!r})\n"
        "folder.mkdir(parents=True)\n"
        "for part in (slice(0, 6), slice(6, None)):\n"
        "    hear = listener.open(ListenerRequest(folder, folder.parent.parent, 'tiny', {}, listener.options))\n"
        "    for occurrence in occurrences()[part]:\n"
        "        hear(occurrence)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    folder = tmp_path / "tiny-0a1b2c3d" / "listeners" / name
    (read_mlflow if name == "mlflow" else read_wandb)(folder)


def read_mlflow(folder):
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(folder / "mlflow.db")) as db:
        runs = dict(db.execute("SELECT name, status FROM runs").fetchall())
        assert runs == {
            "search/mlp/sam(torch:Adam)/cosine/seed 2000000": "FAILED",
            "compare/mlp/sam(torch:Adam)/cosine/seed 0": "FINISHED",
        }
        query = "SELECT step, value FROM metrics JOIN runs USING (run_uuid) WHERE key = ? AND status = 'FINISHED' ORDER BY step"
        curve = [(step, round(value, 6)) for step, value in db.execute(query, ("tune_accuracy",))]
        assert curve == [(1, 0.6), (2, 0.7)]
        assert db.execute("SELECT count(*) FROM params WHERE key = 'lr' AND value = '0.01'").fetchone() == (2,)
        assert (
            db.execute("SELECT value FROM experiment_tags WHERE key = 'verdict'").fetchone()[0].startswith("mlp: incon")
        )


def read_wandb(folder):
    runs = {path.name.rpartition("-tiny-")[2] for path in (folder / "wandb").glob("offline-run-*")}
    assert {name.partition("-")[2] for name in runs} == {
        run_of(0, "compare").id,
        run_of(2_000_000, "search").id,
        "verdict",
    }
    assert all(next(path.glob("*.wandb")).stat().st_size > 500 for path in (folder / "wandb").glob("offline-run-*"))
