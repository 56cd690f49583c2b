"""Every public function of the Python API, called with one argument replaced by nonsense: one line that names it.

The statistics have the same test with a right value for each of them, tests/statistics/test_every_function.py.
"""

from __future__ import annotations

import inspect
import math
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import harness
from harness import Arm, DataRequest, Meta, Optimizer, Photo, Run, open_archive, testing
from harness.errors import HarnessError
from harness.models import exported
from harness.results import several

LINE = r"[^\n]*: must [^\n]+, got [^\n]+"  # the grammar of every message
NOT_CALLED = {
    "cache_folder",
    "hookimpl",
    "latex_text",
    "markdown_text",
    "spreadsheet_cell",
    "usable_cores",
}  # no arguments, or any value at all

CALLS: Mapping[str, Mapping[str, Any]] = {
    "decode_photos": {"photos": [Photo("a.jpg", "cats", bytes)], "size": 8, "progress": lambda *_: None},
    "describe_walk": {
        "walk": pd.DataFrame({"step": [0, 1], "gradients": [0, 1], "value": [1.0, 0.5], "lr": 0.1, "problem": ""})
    },
    "digest": {"value": {"a": 1}},
    "draw_images": {"draw": lambda i: None, "keys": ["a"], "size": 8, "progress": lambda *_: None},
    "draw_range_test": {"axes": None, "lr": [0.1, 1.0], "loss": [2.0, 1.0], "smoothed": [2.0, 1.0], "suggestions": {}},
    "draw_walks": {"axes": None, "walks": None, "landscape": "Beale", "strokes": {}},
    "execute": {"job": None, "workbench": None},
    "export": {"run": "nowhere", "quiet": True},
    "fit": {"epochs": 1, "set": {"data.dataset": "nowhere"}, "quiet": True},
    "from_spreadsheet_cell": {"text": "'=1"},
    "image_bytes": {"image": np.zeros((2, 2, 3), np.uint8)},
    "is_rubbish": {"name": "a.jpg"},
    "load": {"run": "nowhere"},
    "lr_find": {"file": "nowhere.toml", "quiet": True},
    "open_archive": {"file": "nowhere.zip"},
    "photo_dataset": {"name": "birds", "photos": lambda request: []},
    "photo_files": {"folder": "."},
    "photo_members": {"archive": None},
    "plan": {"file": "nowhere.toml", "quiet": True},
    "predict": {"model": "nowhere", "photos": "photos", "quiet": True},
    "read_weights": {"file": "nowhere.safetensors", "names": ["a"]},
    "run": {"file": "nowhere.toml", "quiet": True},
    "registered_protocols": {"meta": None},
    "spreadsheet_table": {"table": pd.DataFrame({"a": ["=1"]})},
    "sign_of": {"goal": "max"},
    "standing_first": {"meta": None, "hashes": ["a"]},
    "standing_protocol": {"meta": None},
    "stratified": {"labels": ["a", "a", "b", "b"], "part": 0.5, "seed": 0},
    "table_data": {
        "name": "ten",
        "parts": {"train": (np.arange(20.0).reshape(10, 2), np.arange(10) % 2)},
        "request": None,
        "source": "counted",
    },
    "testing.checks": {"offer": None},
    "typed": {"words": ["harness", "run"]},
    "several.open_several": {"folders": ["nowhere", "elsewhere"]},
    "exported.is_export": {"folder": "nowhere"},
    "exported.read_model": {"folder": "nowhere"},
}
MAY_PASS = {  # by function and argument: what of the nonsense is a value of its kind
    ("digest", "value"): {
        "None", "text", "empty text", "number", "negative", "flag", "NaN", "infinity", "empty list", "list of None",
        "unequal rows", "mapping", "nul",
    },
    ("decode_photos", "photos"): {"empty list"},
    ("decode_photos", "size"): {"number"},
    ("draw_images", "size"): {"number"},
    ("draw_range_test", "tuned"): {"number"},
    ("testing.checks", "quick"): {"flag"},
    ("from_spreadsheet_cell", "text"): {"text", "empty text", "nul"},
    ("is_rubbish", "name"): {"text", "empty text", "nul"},
    ("spreadsheet_table", "table"): {"table"},
    ("typed", "words"): {"empty list"},
    ("photo_dataset", "name"): {"text", "empty text", "nul"},
    ("photo_dataset", "options"): {"mapping"},
    ("photo_dataset", "limits"): {"mapping"},
    ("photo_members", "within"): {"text", "nul"},
    ("table_data", "name"): {"text", "empty text", "nul"},
    ("table_data", "source"): {"text", "empty text", "nul"},
    ("table_data", "classes"): {"empty list"},
    ("read_weights", "names"): {"empty list"},
    ("standing_first", "hashes"): {"empty list"},
    ("exported.is_export", "folder"): {"text"},
}  # fmt: skip


def public() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield what is exported and is a function, by name."""
    for name in harness.__all__:
        if inspect.isfunction(value := getattr(harness, name)):
            yield name, value
    for module in (testing, several, exported):
        names = getattr(module, "__all__", None) or ("open_several", "is_export", "read_model")
        for name in names:
            if inspect.isfunction(value := getattr(module, name, None)):
                yield f"{module.__name__.rpartition('.')[2]}.{name}", value


FUNCTIONS = dict(public())


def nonsense() -> dict[str, Any]:
    return {
        "None": None,
        "text": "adam",
        "empty text": "",
        "bytes": b"adam",
        "number": 3,
        "negative": -3,
        "flag": True,
        "NaN": math.nan,
        "infinity": math.inf,
        "complex": 1j,
        "empty list": [],
        "list of None": [None],
        "unequal rows": [[1.0], [1.0, 2.0]],
        "mapping": {"a": 1},
        "set": {1},
        "object": object(),
        "class": dict,
        "function": len,
        "array": np.ones((2, 2, 2)),
        "objects": np.array([None, object()], dtype=object),
        "table": pd.DataFrame({"a": [1]}),
        "nul": "a\0b",
    }


def call(name: str, arguments: Mapping[str, Any]) -> Any:
    """Return what a function returns, of a generator or a context the first it gives."""
    result = FUNCTIONS[name](**arguments)
    if inspect.isgenerator(result):
        return next(result)
    if isinstance(result, AbstractContextManager):
        with result as given:
            return given
    return result


def run_of() -> Run:
    return Run("search", Arm("a", "b", "c"), {}, {}, 1, 1, 0.0, (), "fp32", "task", 0, 0, "data", {})


def fail() -> None:
    raise ValueError("no parts here")


def test_every_public_function_is_called():
    assert set(CALLS) == set(FUNCTIONS) - NOT_CALLED


@pytest.fixture
def valid(monkeypatch, tmp_path, registry):
    """Return a function that returns a valid call, with what must be made for it."""
    from matplotlib.figure import Figure

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    with zipfile.ZipFile("photos.zip", "w") as made_zip:
        made_zip.writestr("a.jpg", b"")
    made = {
        "archive": open_archive(tmp_path / "photos.zip"),
        "meta": Meta(benchmark={}, data={}, metrics={}, metric="", search_metric="", arms=[], spaces={}),
        "offer": registry.get("optimizer", "sgd", Optimizer),
        "job": run_of(),
        "request": DataRequest(None, False, size=8, tune=0.25, seed=0, on_bad_image="error", options={}),
        "workbench": SimpleNamespace(parts=lambda run: fail(), state=lambda run: None),
        "axes": Figure().subplots(),
        "walks": pd.DataFrame({"arm": ["a"], "landscape": ["Beale"], "step": [0], "x": [0.0], "y": [0.0]}),
    }
    with made["archive"] as opened:
        made["archive"] = opened
        yield lambda name: {key: made.get(key, value) if value is None else value for key, value in CALLS[name].items()}


@pytest.mark.parametrize("name", CALLS)
def test_nonsense_ends_in_one_line_that_names_the_argument(valid, name):
    arguments = valid(name)
    for argument, parameter in inspect.signature(FUNCTIONS[name]).parameters.items():
        for what, value in nonsense().items():
            if (value is None and parameter.default is None) or (callable(value) and callable(parameter.default)):
                continue  # that is what it takes
            if callable(value) and argument in ("draw", "progress") and not isinstance(value, type):
                continue
            error = raised(name, {**arguments, argument: value})
            if error is None:
                passes = MAY_PASS.get((name, argument), {"number"} if argument == "seed" else set())
                assert what in passes or _is_default_kind(parameter.default, value), (argument, what)
            elif isinstance(error, HarnessError):  # a path that leads nowhere is named itself
                assert re.fullmatch(LINE, str(error)), (argument, what, str(error))
            else:
                assert re.fullmatch(f"{argument}{LINE}", str(error)), (argument, what, str(error))


def raised(name: str, arguments: Mapping[str, Any]) -> Exception | None:
    """Return the error of a call that is one of those that name what is wrong, or none."""
    try:
        call(name, arguments)
    except (TypeError, ValueError, HarnessError) as error:
        return error
    return None


def _is_default_kind(default: Any, value: Any) -> bool:
    """Return whether the value is of the kind of the argument's default, which it may replace."""
    return isinstance(default, str | bool) and type(default) is type(value)
