"""A stranger's run folders, models, baselines, photos, archives and benchmark files: each promise of SECURITY.md is tried here."""

from __future__ import annotations

import ast
import base64
import csv
import gzip
import io
import json
import lzma
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tarfile
import tracemalloc
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from harness import from_spreadsheet_cell, load, spreadsheet_cell, spreadsheet_table
from harness.benchmark.lines import find_lines
from harness.benchmark.toml import parse_override, read
from harness.cli.app import main
from harness.cli.data_inspect import inspect
from harness.console.progress import Reporter
from harness.console.safe_text import impersonal, markdown_code, markdown_text, typed
from harness.data.exclusion import read_exclusion
from harness.data.unpack import unpack
from harness.errors import BenchmarkError, DataError, RunFolderError, UnknownName
from harness.records import Store, database, open_records, schema
from harness.records.checked import load_tensors, save_arrays
from harness.records.links import check_no_links
from harness.records.pictures import SIDE, made_again
from harness.running.baseline import read_baseline

CLASSES = ("=1+1", "<img src=x onerror=alert(1)>|`*")
USER, HOST = "zaphod42", "deepthought9"
HOME = "o'hara & söhne"
NETWORK = '''
"""A plugin of the run's own."""

from harness import Backbone, hookimpl


def build(input_shape, outputs):
    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, outputs))


@hookimpl
def harness_backbones():
    return [Backbone(name="pixels", build=build)]
'''
BENCHMARK = """
name = "strange"
[data]
dataset = "folder"
size = 16
tune = 0.25
[train]
executor = "inprocess"
regime = "scratch"
backbones = ["pixels"]
optimizers = ["sgd"]
batch_size = 8
precision = "fp32"
device = "cpu"
threads = 1
[search]
trials = 1
epochs = [1, 1]
[compare]
looks = [1]
seeds = 2
epochs = 1
probes = []
folds = 2
[report]
paths = false
formats = ["html", "md", "latex", "bibtex", "csv"]
"""


@pytest.fixture(scope="module", autouse=True)
def someone():
    """A user with a home folder, a name and a host's name that are easily found again."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("USER", "LOGNAME", "USERNAME"):
            patched.setenv(name, USER)
        patched.setattr(socket, "gethostname", lambda: HOST)
        from harness.console import safe_text

        for kept in (safe_text._host_names, safe_text._own_homes, safe_text._own_names):
            kept.cache_clear()
        yield patched
    for kept in (safe_text._host_names, safe_text._own_homes, safe_text._own_names):
        kept.cache_clear()


@pytest.fixture(scope="module")
def home(tmp_path_factory, someone):
    folder = tmp_path_factory.mktemp("homes") / HOME
    folder.mkdir()
    someone.setenv("HOME", str(folder))
    return folder


@pytest.fixture(scope="module")
def plugin(home):
    file = home / "own.py"
    file.write_text(NETWORK)
    return file


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Photos of two classes whose names are attacks, in a folder that is named after the user and the host."""
    root = tmp_path_factory.mktemp("mounts") / HOST / USER
    for split, count in (("train", 8), ("valid", 6)):
        for number, label in enumerate(CLASSES):
            (root / split / label).mkdir(parents=True)
            for i in range(count):
                random = np.random.default_rng([number, i, count])
                pixels = random.integers(0, 150, (20, 24, 3), dtype=np.uint8)
                pixels[..., number] += 100
                Image.fromarray(pixels).save(root / split / label / f"+{i}.jpg")
    return root


@pytest.fixture(scope="module")
def made(home, plugin, photos, tmp_path_factory):
    """A finished run on them, by a plugin of its own; do not change it."""
    (home / "b.toml").write_text(BENCHMARK)
    out = home / "runs"
    with pytest.raises(SystemExit) as ended:
        main(["run", str(home / "b.toml"), "--plugin", str(plugin), "--data", str(photos), "--out", str(out)])
    assert ended.value.code == 0
    (folder,) = out.iterdir()
    return folder


@pytest.fixture
def stranger(made, tmp_path):
    """A copy of the run, as a stranger gives it away."""
    return shutil.copytree(made, tmp_path / "parcel" / "run")


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory, photos):
    folder = tmp_path_factory.mktemp("unlabelled")
    for i, file in enumerate(sorted((photos / "valid" / CLASSES[0]).iterdir())):
        shutil.copy(file, folder / f"=cmd{i}.jpg")
    return folder


@pytest.fixture(scope="module")
def model(made, plugin, tmp_path_factory):
    """The run's model, exported."""
    out = tmp_path_factory.mktemp("model") / "model"
    with pytest.raises(SystemExit) as ended:
        main(["export", str(made), "--out", str(out), "--plugin", str(plugin)])
    assert ended.value.code == 0
    return out


@pytest.fixture
def harness(capsys):
    """Return a function that carries out a command and returns its exit code and all that it said."""

    def carry_out(*words):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        said = capsys.readouterr()
        return ended.value.code or 0, said.out + said.err

    return carry_out


def change_meta(folder, **changes):
    with closing(sqlite3.connect(schema.database(folder))) as db, db:
        for key, change in changes.items():
            (before,) = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
            db.execute("UPDATE meta SET value = ? WHERE key = ?", (json.dumps(change(json.loads(before))), key))


def refused(said):
    """Return the one line of the error with which a command ended."""
    *before, last = said.splitlines()
    assert last.startswith("error: ")
    assert not [line for line in before if line.startswith(("error", "Traceback", " "))]
    return last


# --- code


@pytest.fixture
def trap(tmp_path):
    """A plugin that leaves a file when it is imported, and a function that says whether it was."""
    mark = tmp_path / "was imported"
    file = tmp_path / "parcel" / "extra.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"open({str(mark)!r}, 'w').close()\n" + NETWORK.replace("pixels", "extra"))
    return file, mark.exists


def test_nothing_that_a_run_names_is_imported(harness, made, stranger, trap, unlabelled, plugin, tmp_path, monkeypatch):
    extra, was_imported = trap
    import hashlib

    sha256 = hashlib.sha256(extra.read_bytes()).hexdigest()
    about = {"origin": str(extra), "file": str(extra), "sha256": sha256}
    names = {"extra": about, "extra.py": about, "os": {"origin": "antigravity 1.0", "sha256": ""}}
    change_meta(stranger, plugins=lambda before: {**before, **names})
    monkeypatch.chdir(extra.parent)
    out = tmp_path / "out"
    for words in (("show", stranger), ("report", stranger, "--out", out, "--format", "text"), ("data", "suspects", stranger),
                  ("compare", stranger, made), ("baseline", "export", stranger, "--out", tmp_path / "b.zip")):  # fmt: skip
        assert harness(*words)[0] == 0
    code, said = harness("predict", stranger, unlabelled, "--out", tmp_path / "a.csv")
    assert code == 2
    assert "must have the plugin of the backbone 'pixels', got none of that name" in refused(said)
    assert "--plugin FILE (own.py, SHA-256" in said  # of all that the run names, what this arm needs
    assert "extra" not in said
    code, said = harness("export", stranger, "--out", tmp_path / "model")
    assert code == 2
    assert "(own.py, SHA-256" in refused(said)
    for words in (
        ("predict", stranger, unlabelled, "--out", tmp_path / "a.csv"),
        ("export", stranger, "--out", out / "m"),
    ):
        code, said = harness(*words, "--plugin", plugin)
        assert code == 0
        assert "has changed" not in said
    assert not was_imported()


def test_nothing_that_a_model_names_is_imported(harness, model, trap, unlabelled, plugin, tmp_path):
    extra, was_imported = trap
    theirs = shutil.copytree(model, extra.parent / "model")
    about = json.loads((theirs / "model.json").read_text())
    assert set(about["plugins"]) == {"own", *(name for name in about["plugins"] if name != "own")}
    about["plugins"]["extra"] = {"origin": str(extra), "file": str(extra), "sha256": ""}
    about["backbone"] = "extra"
    (theirs / "model.json").write_text(json.dumps(about))
    code, said = harness("predict", theirs, unlabelled, "--out", tmp_path / "a.csv")
    assert code == 2
    assert "must have the plugin of the backbone 'extra', got none of that name" in refused(said)
    assert str(extra) not in said
    assert not was_imported()
    code, said = harness("predict", model, unlabelled, "--out", tmp_path / "a.csv")
    assert code == 2
    assert "(own.py, SHA-256" in refused(said)
    assert harness("predict", model, unlabelled, "--out", tmp_path / "a.csv", "--plugin", plugin)[0] == 0


def test_a_given_plugin_is_compared_with_the_recorded_one(harness, made, model, unlabelled, plugin, tmp_path):
    other = tmp_path / "named_otherwise.py"
    other.write_text(NETWORK + "\n# changed\n")
    for source in (made, model):
        code, said = harness("predict", source, unlabelled, "--out", tmp_path / "a.csv", "--plugin", other)
        assert code == 0
        if source is made:  # an exported model says which plugin had a name, not which part it brought
            assert "warning: plugin named_otherwise has changed since the run was made (SHA-256" in said


def test_an_arm_of_a_baseline_whose_plugin_is_not_here_is_named():
    from types import SimpleNamespace

    from harness.benchmark.plan import Plan, Setting
    from harness.plugin.discovery import discover
    from harness.plugin.runs import Arm
    from harness.running.baseline.networks import with_networks

    arm = {"backbone": "lesson_cnn", "optimizer": "extra", "scheduler": "cosine"}
    rows = [{"arm": "lesson_cnn/extra/cosine", "recipe": json.dumps({"arm": arm, "plugins": {}})}]
    baseline = SimpleNamespace(solutions=True, tables={"runs": rows})
    imported = SimpleNamespace(baseline=baseline, arms=["lesson_cnn/extra/cosine"])
    own = SimpleNamespace(arm=Arm("lesson_cnn", "sgd", "cosine"))
    plan = Plan(**dict.fromkeys(Plan.__dataclass_fields__) | {"competitors": (own,)})
    setting = Setting(**dict.fromkeys(Setting.__dataclass_fields__) | {"plan": plan})
    said = []
    assert with_networks(setting, imported, discover(), said.append).plan.imported == ()
    assert len(said) == 1
    assert "the networks of lesson_cnn/extra/cosine from the baseline are not measured" in said[0]
    assert "--plugin FILE" in said[0]


def test_looking_at_a_benchmark_file_runs_no_plugin_that_it_lists(harness, photos, trap, tmp_path):
    extra, was_imported = trap
    file = extra.with_name("b.toml")
    file.write_text(f'plugins = ["{extra.name}"]\nblock = ["nobody"]\n' + BENCHMARK)
    code, said = harness("data", "inspect", file, "--data", photos)
    assert code == 0
    assert "28 photos" in said
    file.write_text(f'plugins = ["{extra.name}"]\n' + BENCHMARK.replace('"folder"', '"mine"'))
    code, said = harness("data", "inspect", file, "--data", photos)
    assert code == 2
    assert f"'harness data inspect' runs no plugin that {file} lists" in refused(said)
    assert "--plugin: extra.py" in said
    assert not was_imported()
    with pytest.raises(UnknownName):
        inspect(file, None, photos, [extra], (), Reporter(quiet=True))
    assert was_imported()  # the user has named it


def test_commands_that_run_plugins_say_which(harness, home, made, trap, photos, plugin, tmp_path):
    extra, was_imported = trap
    file = extra.with_name("b.toml")
    file.write_text(f'plugins = ["{extra.name}"]\n' + BENCHMARK)
    code, said = harness(
        "plan", file, "--data", photos, "--plugin", plugin, "--set", "search.trials=0"
    )  # which is wrong
    assert code == 2
    assert not was_imported()
    harness("plan", file, "--data", photos, "--plugin", plugin, "--set", "train.device='none'")
    code, said = harness("plan", file, "--data", photos, "--plugin", plugin, "--set", 'train.backbones=["none"]')
    assert code == 2
    assert said.splitlines()[1] == f"plugin files that are run: {extra}, {plugin}"  # behind what is begun
    assert was_imported()
    code, said = harness("plan", file, "--block", "extra", "--set", 'train.backbones=["none"]')
    assert "plugin files" not in said


def test_no_file_of_a_stranger_is_read_as_a_program(repository):
    """No pickle, no eval, no YAML, and templates escape whatever is put in: nothing of the kind stands in the sources."""
    barred = {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
    between_own_processes = {"drawing.py", "processes.py"}  # over pipes that no file and no stranger can write to
    templates = 0
    words_of_it = re.compile(
        rf"\b({'|'.join(barred)}|eval|exec|compile|system|fromfile|load|subprocess|Environment|Template)\b"
    )
    for package in ("harness", "plugins", "reports"):
        for file in (repository / package).rglob("*.py"):
            source = file.read_text()
            for node in ast.walk(ast.parse(source)) if words_of_it.search(source) else ():
                where = f"{file.name}:{getattr(node, 'lineno', 0)}"
                if isinstance(node, ast.Import) and file.name not in between_own_processes:
                    assert not barred & {alias.name.partition(".")[0] for alias in node.names}, where
                if isinstance(node, ast.ImportFrom) and not node.level:
                    assert (node.module or "").partition(".")[0] not in barred, where
                if isinstance(node, ast.Call):
                    name = ast.unparse(node.func)
                    words = {word.arg: ast.unparse(word.value) for word in node.keywords}
                    assert name not in ("eval", "exec", "compile", "os.system", "np.fromfile"), where
                    assert name != "torch.load" or words.get("weights_only") == "True", where
                    assert name != "np.load" or "allow_pickle" not in words, where
                    assert not name.startswith("subprocess.") or "shell" not in words, where
                    if name in ("Environment", "jinja2.Environment", "Template"):
                        assert words.get("autoescape") == "True", where
                        templates += 1
    assert templates == 1  # one environment has all templates of the page
    for page in (repository / "reports").rglob("*.j2"):
        assert "safe" not in re.findall(r"\|\s*(\w+)", page.read_text()), page


def test_weights_that_are_a_pickle_run_nothing(tmp_path):
    import pickle

    from harness import read_weights

    mark = tmp_path / "was run"

    class Trap:
        def __reduce__(self):
            return (open, (str(mark), "w"))

    for name in ("w.pth", "w.safetensors"):
        (tmp_path / name).write_bytes(pickle.dumps(Trap()))
        with pytest.raises(DataError):
            read_weights(tmp_path / name, ("weight",))
    assert not mark.exists()


# --- links


@pytest.fixture
def secret(tmp_path):
    """A photo of the reader's own, with the place where it was taken."""
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 29.0)})  # GPS
    exif[0x010E] = "at home"
    file = tmp_path / "private.jpg"
    Image.new("RGB", (400, 300), (200, 10, 20)).save(file, exif=exif, comment=b"my own")
    return file


PLACES = (
    "run.db", "lock", "benchmark.toml", "solutions", "predictions", "predictions/targets.safetensors", "states/x.safetensors",
    "thumbnails", "thumbnails/test-0.jpg", "tables", "tables/runs.csv", "probes/a/b.safetensors",
)  # fmt: skip


def test_no_link_inside_a_run_folder_is_followed(harness, made, tmp_path, secret):
    folder, outside = tmp_path / "run", tmp_path / "outside"
    outside.mkdir()
    for number, place in enumerate(PLACES):
        shutil.copytree(made, folder)
        file, target = folder / place, outside / str(number)
        if file.is_dir():
            shutil.rmtree(file)
            target.mkdir()
        else:
            file.unlink(missing_ok=True)
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(secret, target)
        file.symlink_to(target)
        for look in (open_records, Store, check_no_links):
            with pytest.raises(
                RunFolderError, match=re.escape(f"{file}: must be a file or folder of the run's own, got a link")
            ):
                look(folder)
        assert target.read_bytes() == secret.read_bytes() if target.is_file() else not any(target.iterdir())
        if place in ("tables", "thumbnails/test-0.jpg"):
            code, said = harness("report", folder)
            assert code == 2
            assert "got a link" in refused(said)
        shutil.rmtree(folder)


def test_links_in_the_place_of_what_is_written_are_replaced(harness, made, stranger, tmp_path):
    target = tmp_path / "outside.md"
    target.write_text("mine")
    (stranger / "report.md").unlink()
    (stranger / "report.md").symlink_to(target)
    (stranger / f"report.md.{os.getpid()}.tmp").symlink_to(target)
    assert harness("report", stranger, "--format", "md")[0] == 0
    assert target.read_text() == "mine"
    assert not (stranger / "report.md").is_symlink()
    out = tmp_path / "out"
    assert harness("report", stranger, "--out", out, "--format", "md")[0] == 0
    shutil.rmtree(out / "tables")
    (out / "tables").symlink_to(tmp_path)
    code, said = harness("report", stranger, "--out", out, "--format", "md")
    assert code == 2
    assert f"{out / 'tables'}: must be a file or folder of the run's own, got a link" in refused(said)
    (tmp_path / "linked").symlink_to(made)  # the user's own path to a run
    assert open_records(tmp_path / "linked").name == "strange"


def test_the_journal_beside_a_run_folder_is_no_link(tmp_path):
    from harness.records.attempts import Attempts

    (tmp_path / "mine.txt").write_text("mine")
    for text in ("", "[" * 100_000, "[1]", '{"a": {"label": 3}}'):
        (tmp_path / "run.attempts").unlink(missing_ok=True)
        (tmp_path / "run.attempts").symlink_to(tmp_path / "mine.txt")
        attempts = Attempts(tmp_path / "run.attempts")
        attempts.begin("run x", "x")
        attempts.close()
        (tmp_path / "run.attempts").write_text(text)
        Attempts(tmp_path / "run.attempts").close()
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_pipe_in_a_run_folder_is_not_waited_for(stranger):
    os.mkfifo(stranger / "predictions" / "x.safetensors")
    with pytest.raises(RunFolderError, match="got a special file"):
        check_no_links(stranger)


def test_folders_without_end_are_refused(tmp_path):
    place = tmp_path / "probes" / "/".join("a" * 20)
    place.mkdir(parents=True)
    with pytest.raises(RunFolderError, match="got a folder that deep"):
        check_no_links(tmp_path)


def test_pictures_in_a_page_are_made_again_from_their_pixels(harness, stranger, secret):
    thumbnails = sorted((stranger / "thumbnails").iterdir())
    assert thumbnails
    for file in thumbnails:
        file.write_bytes(secret.read_bytes() + b"<script>behind the end</script>")
    with closing(sqlite3.connect(schema.database(stranger))) as db, db:
        db.execute("DELETE FROM files WHERE file LIKE 'thumbnails/%'")  # whose sizes and checksums would tell
    assert harness("report", stranger)[0] == 0
    page = (stranger / "report.html").read_text()
    pictures = [base64.b64decode(text) for text in re.findall(r"data:image/jpeg;base64,([\w+/=]+)", page)]
    assert pictures
    for content in pictures:
        picture = Image.open(io.BytesIO(content))
        assert max(picture.size) <= SIDE
        assert np.abs(np.asarray(picture).mean(axis=(0, 1)) - (200, 10, 20)).max() < 4
        assert not picture.getexif()
        assert set(picture.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        assert b"at home" not in content
        assert b"my own" not in content
        assert content.endswith(b"\xff\xd9")


def test_a_picture_of_our_own_made_again_is_nearly_the_same():
    from harness.running.after.thumbnails import small

    random = np.random.default_rng(0)
    pixels = np.asarray(Image.fromarray(random.integers(0, 255, (9, 12, 3), dtype=np.uint8)).resize((112, 84)))
    first = small(pixels)
    again = made_again(first)
    apart = np.abs(np.asarray(Image.open(io.BytesIO(first)), int) - np.asarray(Image.open(io.BytesIO(again)), int))
    assert apart.mean() < 2.5  # of 255


def test_what_is_no_small_jpeg_is_no_picture():
    bomb = io.BytesIO()
    Image.new("L", (5000, 4000)).save(bomb, "JPEG", quality=1)
    png = io.BytesIO()
    Image.new("RGB", (8, 8)).save(png, "PNG")
    tracemalloc.start()
    for content in (b"", b"\xff\xd8", png.getvalue(), bomb.getvalue()[: 2**20], bytes(2**21)):
        assert made_again(content) is None
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_no_name_in_the_records_leads_out_of_the_folder(stranger, tmp_path):
    """A run's name is part of the names of its files, which are read, replaced and removed."""
    victim = tmp_path / "victim.safetensors"
    victim.write_text("mine")
    line = "must have names that stay in the run folder"

    def write(sql, *values):
        with closing(sqlite3.connect(schema.database(stranger))) as db, db:
            db.execute(sql, values)

    for name in ("../../../victim", "..", "a/b", "a\\b", ""):
        write("UPDATE runs SET run_id = ? WHERE run_id = (SELECT max(run_id) FROM runs)", name)
        with pytest.raises(RunFolderError, match=line):
            Store(stranger)
        for place in (schema.solution, schema.saved_state, schema.prediction, schema.snapshots):
            with pytest.raises(RunFolderError, match=line):
                place(stranger, name)
        with pytest.raises(RunFolderError, match=line):
            schema.probed(stranger, "probe", "1", name)
        write("UPDATE runs SET run_id = 'fine' WHERE run_id = ?", name)
    for file in ("../../victim.safetensors", str(victim), "solutions/../../../victim.safetensors", "a//b"):
        write("INSERT INTO files VALUES (?, '', 4, 'a')", file)
        for look in (lambda _: open_records(stranger).lacking, Store.restore):
            with pytest.raises(RunFolderError, match=line), Store(stranger) as store:
                look(store)
        write("DELETE FROM files WHERE file = ?", file)
    assert victim.read_text() == "mine"


# --- spreadsheets

FORMULAS = (
    "=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\r=1", "\n@x", "  =1", "\u00a0=1", "\ufeff=1", "\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20x",
    "a;=1", "'=1", "''@x", "=HYPERLINK(\"http://x\")", "-", "+", "=", "-0.5 points",
)  # fmt: skip
HARMLESS = (
    "",
    "sgd",
    "a=b",
    "don't",
    "'quoted'",
    "1-2",
    "0.5",
    "-0.5",
    "+3",
    "-1e-05",
    ".5",
    "-inf",
    "nan",
    "5 - 3",
    "a; b",
    "x@y",
)


def test_no_cell_is_a_formula_and_each_is_given_back():
    begins = re.compile(r"(?:^|;)[\s\ufeff\u200b]*[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n]")
    for text in FORMULAS:
        assert not begins.search(spreadsheet_cell(text)), text
        assert from_spreadsheet_cell(spreadsheet_cell(text)) == text
    for text in HARMLESS:
        assert spreadsheet_cell(text) == text
        assert from_spreadsheet_cell(text) == text
    random = np.random.default_rng(0)
    for _ in range(2000):
        text = "".join(random.choice(list("'=+-@\t\n ;a1\ufeff\uff1d"), size=random.integers(0, 7)))
        assert from_spreadsheet_cell(spreadsheet_cell(text)) == text
    assert spreadsheet_cell(-0.5) == -0.5
    table = pd.DataFrame({"=a": ["=1", None, "b"], "n": [-1.5, 2, 3], "-o": [1, "@x", {"k": "=1"}]})
    safe = spreadsheet_table(table)
    assert list(safe.columns) == ["'=a", "n", "'-o"]
    assert safe["'=a"].tolist()[::2] == ["'=1", "b"]
    assert safe["'-o"].tolist() == [1, "'@x", {"k": "=1"}]
    assert table["=a"].tolist()[0] == "=1"
    assert safe["n"].dtype == float


def test_the_page_escapes_cells_as_python_does(repository):
    """The script's two expressions read the same in both languages."""
    script = (repository / "reports" / "harness_reports" / "_page/_scripts/base.js").read_text()
    formula = re.compile(re.search(r"FORMULA = /(.*)/g;", script)[1])
    number = re.compile(re.search(r"NUMBER = /(.*)/i;", script)[1], re.IGNORECASE)
    assert 'NUMBER.test(text) ? text : text.replace(FORMULA, "$1\'")' in script
    for text in (*FORMULAS, *HARMLESS):
        assert (text if number.match(text) else formula.sub(r"\1'", text)) == spreadsheet_cell(text), text


def cells(file):
    with file.open(newline="", encoding="utf-8") as rows:
        return [cell for row in csv.reader(rows) for cell in row]


def test_no_table_that_is_written_has_a_formula(harness, made, unlabelled, plugin, tmp_path):
    begins = re.compile(r"[\s]*[=+@\t\r\n]|[\s]*-(?![\d.]|inf)")
    out = tmp_path / "a.csv"
    words = ("predict", made, unlabelled, "--out", out, "--plugin", plugin, "--ids", "name")
    assert harness(*words)[0] == 0
    assert "'=cmd0" in cells(out)
    code, _ = harness("data", "suspects", made, "--out", tmp_path / "s.csv")
    assert code == 0
    tables = sorted((made / "tables").glob("*.csv"))
    assert len(tables) > 10
    found = 0
    for file in (out, tmp_path / "s.csv", made / "report.csv", *tables):
        for cell in cells(file):
            assert not begins.match(cell), (file.name, cell)
            found += cell.startswith("'=1+1")
    assert found  # the class's name is in the tables
    assert "=1+1" in pd.read_parquet(made / "tables" / "confusion.parquet").to_numpy()  # which no spreadsheet computes


def test_an_exclusion_list_gets_the_names_back(tmp_path):
    with (tmp_path / "s.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["file"], *([spreadsheet_cell(name)] for name in ("=1/a.jpg", "train/+0.jpg", "'=b.jpg"))]
        )
    assert list(read_exclusion(tmp_path / "s.csv", "data.exclude")) == ["=1/a.jpg", "train/+0.jpg", "'=b.jpg"]


# --- names in texts


def test_no_name_in_a_model_card_or_a_summary_is_markup(made, model):
    card, summary = (model / "README.md").read_text(), (made / "report.md").read_text()
    for text in (card.partition("```python")[0], card.rpartition("```")[2], summary):
        body = text.split("---\n", 2)[-1]  # a header of JSON, which is data
        assert not re.search(r"(?<!\\)<(?!sub>|/sub>)", body)
    assert markdown_text(CLASSES[1]) in card
    code = card.partition("```python\n")[2].partition("```")[0]
    ast.parse(code)
    header = card.split("---\n")[1]
    for line in header.splitlines():
        json.loads(line.partition(": ")[2])


def test_a_class_name_adds_no_code_to_a_model_card(model):
    from harness.models.card import model_card

    about = json.loads((model / "model.json").read_text())
    about["classes"] = ["cat\nimport os; os.system('x')", "```\n<script>alert(1)</script>"]
    about["name"] = about["arm"] = about["data"]["name"] = about["run_folder"] = "a|b`<script>\n# c"
    about["notice"] = "drawings\n\n<script>"
    about["plain"] = {"network": "torch.nn.Linear(1, 1)"}
    card = model_card(about)
    before, _, rest = card.partition("```python\n")
    code, _, after = rest.partition("\n```")  # a fence ends only at the beginning of a line
    tree = ast.parse(code)
    assert [node.names[0].name for node in tree.body if isinstance(node, ast.Import)] == ["torch"]
    for text in (before.split("---\n", 2)[-1], after):
        assert "<script" not in text
        assert "\n# c" not in text.partition("\n# ")[2]


def test_markdown_is_text():
    expected = r"&lt;b&gt;\|\*\_\`x\` \# y \[a\](b) \& @" + "\u200bme"
    assert markdown_text("<b>|*_`x`\n# y [a](b) & @me") == expected
    assert markdown_code("a_b") == "`a_b`"
    assert markdown_code("a`b") == "`a'b`"
    assert "<" not in markdown_code("`<b>`")
    assert not re.search(r"(?<!\\)\|", markdown_code("a|b"))


# --- small files that take much


def in_a_child(code, *words, seconds=60, memory=2**31):
    """Return what a program says that may take so many seconds of the processor, whatever else is going on, and so much memory."""
    bounds = (
        "import resource, sys; "
        f"resource.setrlimit(resource.RLIMIT_CPU, ({seconds}, {seconds})); resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))\n"
    )
    done = subprocess.run([sys.executable, "-c", bounds + code, *map(str, words)], capture_output=True, text=True)
    assert not done.returncode, done.stderr[-1000:]
    return done.stdout


def test_no_benchmark_file_takes_more_time_than_its_size_is_worth():
    code = r'''
from harness.benchmark import lines, toml
from harness.errors import BenchmarkError
blanks, dots = " " * 100_000, "a." * 50_000
for text in (
    'x = "[' + blanks + '"', 'x = """\n[' + blanks + '\n"""', "[" + blanks, "a" + blanks, dots + "a = 1", "[" + dots + "a]",
    "x = {" + dots + "a = 1}", '"a".' * 50_000 + "a = 1", "x = " + "[" * 50_000, "x = " + "{a=" * 50_000, ("'" + chr(34)) * 50_000,
    "_" * 1_000_000, "x = " + "9" * 500_000, "a" * 2_000_000,
):
    try:
        toml._parse(text, "f")
    except (BenchmarkError, toml.tomllib.TOMLDecodeError):
        pass
    lines.find_lines(text)
    try:
        toml.parse_override(text)
    except BenchmarkError:
        pass
print("done")
'''
    assert in_a_child(code) == "done\n"


def test_a_benchmark_file_has_bounds(tmp_path):
    file = tmp_path / "b.toml"
    file.write_text("# " + "x" * 2**20)
    with pytest.raises(BenchmarkError, match=r"b\.toml: must have at most 1 MiB, got more; write less"):
        read(file)
    file.write_text("[" + "a." * 40 + "a]")
    with pytest.raises(BenchmarkError, match=r"b\.toml: must have keys of at most 32 parts, got 'a.a"):
        read(file)
    with pytest.raises(BenchmarkError, match="--set: must have keys of at most 32 parts"):
        parse_override("a." * 50_000 + "a=1")
    file.write_text("[ a . 'b.c' ]\n" + 'x = "1.2.3"\n')
    assert read(file).values == {"a": {"b.c": {"x": "1.2.3"}}}
    assert find_lines("[ a . b ] # c\nx = 1") == {("a", "b"): 1, ("a", "b", "x"): 2}


def tar_of(*members, headers=None):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, size in members:
            info = tarfile.TarInfo(name)
            info.size, info.pax_headers = size, headers or {}
            archive.addfile(info, io.BytesIO(bytes(size)))
    return out.getvalue()


def compressed(kind, *parts):
    """Return parts behind one another, each a text or so many zeros, without ever having them whole."""
    out = io.BytesIO()
    with gzip.open(out, "wb") if kind == "gz" else lzma.open(out, "wb") as packed:
        for part in parts:
            if isinstance(part, int):
                for _ in range(part // 2**20):
                    packed.write(bytes(2**20))
            else:
                packed.write(part)
    return out.getvalue()


def test_no_archive_takes_more_memory_or_time_than_its_size_is_worth(tmp_path):
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 200 * 2**20
    long_name = tarfile.TarInfo("long")
    long_name.type, long_name.size = tarfile.GNUTYPE_LONGNAME, 200 * 2**20
    attacks = {
        "behind.tar.gz": compressed("gz", tar_of(("a.jpg", 5)), 40 * 2**20),
        "pax.tar.xz": compressed("xz", header.tobuf(), 40 * 2**20),
        "name.tar.gz": compressed("gz", long_name.tobuf(), 40 * 2**20),
    }
    for name, content in attacks.items():
        (tmp_path / name).write_bytes(content)
        tracemalloc.start()
        with pytest.raises(DataError, match="must be files with short headers and an end"):
            unpack(tmp_path / name, tmp_path / f"{name}.d", lambda *_: None)
        assert tracemalloc.get_traced_memory()[1] < 20e6
        tracemalloc.stop()
    fine = tar_of(
        *((f"{i}/{'x' * 200}.jpg", 2_000_000) for i in range(3)),
        ("._hidden", 3_000_000),
        ("b.jpg", 1),
        headers={"comment": "x" * 9999},
    )
    (tmp_path / "fine.tar.gz").write_bytes(compressed("gz", fine, 2**20))  # padded, as a tape is
    assert unpack(tmp_path / "fine.tar.gz", tmp_path / "fine", lambda *_: None) == 4


def test_an_archive_has_a_number_of_members(tmp_path, monkeypatch):
    from harness.data import archive as zips
    from harness.data import unpack as tars

    monkeypatch.setattr(tars, "MOST_MEMBERS", 3)
    monkeypatch.setattr(zips, "MOST_MEMBERS", 3)
    (tmp_path / "a.tar").write_bytes(tar_of(*((f"{i}.jpg", 1) for i in range(4))))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for i in range(4):
            archive.writestr(f"{i}.jpg", b"x")
    for name in ("a.tar", "a.zip"):
        with pytest.raises(DataError, match="must have at most 3 members, got"):
            unpack(tmp_path / name, tmp_path / f"{name}.d", lambda *_: None)


def test_a_baseline_has_bounds(tmp_path):
    for name, content in {"bomb": bytes(20 * 2**20), "deep": b"[" * 100_000}.items():
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("baseline.json", content)
        tracemalloc.start()
        with pytest.raises(
            DataError, match="more than 200 times its packed size" if name == "bomb" else "RecursionError"
        ):
            read_baseline(tmp_path / name)
        assert tracemalloc.get_traced_memory()[1] < 10e6
        tracemalloc.stop()


def test_a_baseline_cannot_stand_for_another_arms_runs(harness, made, tmp_path):
    file = tmp_path / "b.zip"
    assert harness("baseline", "export", made, "--out", file)[0] == 0
    with zipfile.ZipFile(file) as archive:
        whole = archive.read("baseline.json")

    def read_with(change):
        said = json.loads(whole)
        change(said["about"], {name: (table["columns"], table["rows"]) for name, table in said["tables"].items()})
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("baseline.json", json.dumps(said))
        return read_baseline(file)

    def set_cell(table, column, value):
        def change(_, tables):
            columns, rows = tables[table]
            rows[0][columns.index(column)] = value

        return change

    assert read_with(lambda about, tables: None).arms == ["pixels/sgd/cosine"]
    for change, what in (
        (set_cell("runs", "arm", "pixels/adam/cosine"), "with the recipe of another arm"),
        (set_cell("runs", "run_id", "0" * 16), "with another recipe"),
        (set_cell("runs", "seed", "many"), "'many' in 'seed' of the table 'runs'"),
        (set_cell("epochs", "metrics", "[1]"), "in 'metrics' of the table 'epochs'"),
        (set_cell("asks", "params", {"a": 1}), "ProgrammingError"),
        (lambda about, _: about.pop("roles"), "no 'roles'"),
        (lambda _, tables: tables["runs"][0].append("x); DROP TABLE runs; --"), "that this release does not know"),
    ):
        with pytest.raises(DataError, match=re.escape(what)):
            read_with(change)


def test_a_model_has_bounds(model, tmp_path):
    from harness.models.exported import read_model

    theirs = shutil.copytree(model, tmp_path / "model")
    for content, what in (("[" * 100_000, "RecursionError"), (" " * (2**24 + 1), "more than 16 MiB")):
        (theirs / "model.json").write_text(content)
        with pytest.raises(RunFolderError, match=what):
            read_model(theirs)


# --- databases

RECURSION = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "


@pytest.mark.parametrize(
    ("what", "sql"),
    [
        ("view 'meta'", f"ALTER TABLE meta RENAME TO kept; CREATE VIEW meta AS {RECURSION} SELECT i AS key, i AS value FROM n"),
        ("view 'other'", f"CREATE VIEW other AS {RECURSION} SELECT i FROM n"),
        ("trigger 'late'", "CREATE TRIGGER late AFTER INSERT ON meta BEGIN DELETE FROM runs; END"),
        ("virtual table 'words'", "CREATE VIRTUAL TABLE words USING fts5(text)"),
        ("generated column 'more.b'", "CREATE TABLE more (a, b AS (a || a))"),
    ],
)  # fmt: skip
def test_a_database_that_computes_is_refused(harness, stranger, what, sql):
    with closing(sqlite3.connect(schema.database(stranger))) as db:
        db.executescript(sql)
    line = f"must have only tables of rows, got the {what}"
    code, said = harness("status", stranger)
    assert code == 2
    assert line in refused(said)
    with pytest.raises(RunFolderError, match=re.escape(line)):
        Store(stranger)
    Store(stranger.parent / "another").__exit__()  # and the folder is free


def test_a_database_of_pages_that_are_used_again_and_again_is_refused(tmp_path):
    """A small file in which one page of rows stands for many: each row would be read hundreds of times."""
    with Store(tmp_path) as store:
        for i in range(2000):
            store.note(f"k{i}", "x" * 500)
    file = schema.database(tmp_path)
    with closing(sqlite3.connect(file)) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'meta'").fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    content = bytearray(file.read_bytes())
    page = (root - 1) * size
    assert content[page] == 5  # an inner page, whose cells point to other pages
    count = int.from_bytes(content[page + 3 : page + 5], "big")
    cell_places = [int.from_bytes(content[page + 12 + 2 * i : page + 14 + 2 * i], "big") for i in range(count)]
    first = content[page + cell_places[0] : page + cell_places[0] + 4]
    for place in cell_places:
        content[page + place : page + place + 4] = first
    file.write_bytes(content)
    for look in (open_records, Store):
        with pytest.raises(RunFolderError, match=r"must be the records of a run, got .*2nd reference to page"):
            look(tmp_path)


def test_reading_ends_where_it_takes_more_steps_than_the_file_is_worth(made):
    """The bound is one of steps of SQLite's virtual machine: the same on every machine."""
    with (
        pytest.raises(RunFolderError, match="many more; do not trust it"),
        database.reading(made) as db,
    ):
        db.execute(f"{RECURSION} SELECT count(*) FROM n").fetchone()
    size, steps = schema.database(made).stat().st_size, []
    with database.reading(made) as db:
        db.set_progress_handler(lambda: steps.append(1), 100)
        database.check(db, made)
        for name in database._ours():
            db.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall()
    assert 100 * len(steps) < (database.STEPS + database.STEPS_A_BYTE * size) / 20  # honest records are far from it


def test_values_nested_without_end_are_refused(harness, stranger):
    with closing(sqlite3.connect(schema.database(stranger))) as db, db:
        db.execute("UPDATE meta SET value = ? WHERE key = 'data'", ("[" * 100_000 + "]" * 100_000,))
    code, said = harness("status", stranger)
    assert code == 2
    refused(said)


def test_a_header_of_weights_has_a_bound(tmp_path):
    file = tmp_path / "x.safetensors"
    with file.open("wb") as out:
        out.write((200_000_000).to_bytes(8, "little"))
        out.truncate(200_000_100)  # a file with a hole
    with pytest.raises(RunFolderError, match="no safetensors"):
        load_tensors(file)
    save_arrays(file, {"a": np.zeros(2)})


# --- what is given away


def test_nothing_that_is_given_away_names_the_user_the_home_folder_or_the_host(
    harness, made, model, home, plugin, tmp_path
):
    code, _ = harness("baseline", "export", made, "--out", tmp_path / "b.zip")
    assert code == 0
    other = shutil.copytree(made, tmp_path / "other")
    assert harness("compare", made, other, "--out", tmp_path / "c.html")[0] == 0
    assert harness("compare", made, other, "--out", tmp_path / "c.md")[0] == 0
    run = load(made)
    (tmp_path / "notebook.txt").write_text(repr(run) + run._repr_html_())
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        (tmp_path / "baseline.json").write_bytes(archive.read("baseline.json"))
    reports = [made / f"report.{kind}" for kind in ("html", "md", "tex", "bib", "csv")]
    tables = sorted((made / "tables").iterdir())
    given = [*reports, *tables, *(model / name for name in ("README.md", "model.json")), *sorted(tmp_path.glob("*.*"))]
    barred = [HOME, "o&#39;hara", "hara", USER, HOST]
    for file in given:
        content = file.read_bytes()
        for name in barred:
            if file.suffix not in (".zip",):
                assert name.encode() not in content, (file.name, name)
                assert json.dumps(name)[1:-1].encode() not in content, (file.name, name)
    page = (made / "report.html").read_text()
    assert "harness run ~/b.toml --plugin ~/own.py" in page
    assert "--out ~/runs" in page


def test_paths_are_shown_without_names(home):
    for text, expected in {
        f"{home}/a b/c.toml": "~/a b/c.toml",
        f"--data={home}": "--data=~",
        f"{home}s/x": f"{home}s/x",
        "/home/alice/x": "~/x",
        "got '/Users/bob/x.py': no": "got '~/x.py': no",
        "C:\\Users\\Jane Doe\\x": "~\\x",
        "/root/x, /root": "~/x, ~",
        "/roots/x": "/roots/x",
        f"/mnt/{HOST}/{USER}/x": "/mnt/HOST/USER/x",
        f"https://example.org/{USER}/x": f"https://example.org/{USER}/x",
        f"{USER} trained it": f"{USER} trained it",
        "net+head/sgd/cosine": "net+head/sgd/cosine",
    }.items():
        assert impersonal(text) == expected
    assert impersonal({"a": [f"{home}/x", 1, (f"{home}",)], f"{home}": None}) == {
        "a": ["~/x", 1, ("~",)],
        f"{home}": None,
    }


def test_a_command_with_a_home_folder_can_be_typed_again(home):
    words = ["harness", "run", f"{home}/my file.toml", "--set", f'train.pretrained="{home}/w x"', f"--data={home}/d"]
    line = typed(impersonal(words))
    assert HOME not in line
    done = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {line}"], capture_output=True, text=True, env={**os.environ, "HOME": str(home)}
    )
    assert done.stdout.splitlines() == words


# --- the network


def test_looking_and_predicting_ask_no_other_machine(harness, made, unlabelled, plugin, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        socket.socket, "connect", lambda self, address: asked.append(address) or pytest.fail("no network")
    )
    monkeypatch.setattr(socket, "getaddrinfo", lambda *words, **more: asked.append(words) or pytest.fail("no network"))
    for words in (
        ("list",), ("status", made), ("show", made), ("report", made, "--out", tmp_path / "r", "--format", "md"),
        ("predict", made, unlabelled, "--out", tmp_path / "a.csv", "--plugin", plugin),
    ):  # fmt: skip
        assert harness(*words)[0] == 0
    assert asked == []


# --- the console and its outputs


def test_nothing_that_is_printed_steers_the_terminal(harness, stranger):
    steering = "a\x1b]0;title\x07\x1b[2Jb\x9b31mc\u202ed\re\x00f"
    change_meta(
        stranger,
        command=lambda _: ["harness", steering],
        data=lambda data: {**data, "notice": steering, "name": steering},
    )
    with closing(sqlite3.connect(schema.database(stranger))) as db, db:
        db.execute("UPDATE runs SET reason = ?", (steering,))
    printed = 0
    for words in (
        ("status", stranger),
        ("show", stranger),
        ("show", stranger, "--json"),
        ("status", stranger.with_name(steering[:-2])),
    ):
        _, said = harness(*words)
        assert not re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", said), words
        printed += "\\x1b" in said or "\\u001b" in said
    assert printed >= 2


def test_no_output_goes_over_the_file_of_something_else(harness, made, unlabelled, plugin, tmp_path):
    other = tmp_path / "notes.csv"
    other.write_text("mine\n")
    before = schema.database(made).read_bytes()
    for out in (other, schema.database(made), made / "report.html", made / "solutions" / "new.csv"):
        code, said = harness("predict", made, unlabelled, "--out", out, "--plugin", plugin)
        assert code == 2
        assert "--out: must be " in refused(said)
    for words in (("export", made, "--plugin", plugin), ("baseline", "export", made), ("data", "suspects", made)):
        code, said = harness(*words, "--out", other)
        assert code == 2
        assert "--out: must be a new f" in refused(said)
    assert other.read_text() == "mine\n"
    assert schema.database(made).read_bytes() == before


# --- the promises


def test_each_promise_of_security_md_has_a_test_that_is_collected(repository):
    text = (repository / "SECURITY.md").read_text()
    promises = re.split(r"^\d+\. ", text.partition("## What is promised")[2].partition("\n## ")[0], flags=re.MULTILINE)[
        1:
    ]
    assert len(promises) >= 12
    for promise in promises:
        names = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", promise)
        assert names, promise
        for file, name in names:
            tree = ast.parse((repository / file).read_text())
            (test,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
            assert Path(file).name.startswith("test_")
            assert name.startswith("test_")
            assert not [mark for mark in test.decorator_list if re.search(r"skip|xfail", ast.unparse(mark))]
