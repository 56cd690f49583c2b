"""The command line as a user meets it: exit codes, one clear line for every mistake, and quick help."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.cli.app import main
from harness.records import open_records
from harness.running.time_limit import TimeLimit


@pytest.fixture
def harness(capsys, tmp_path, monkeypatch):
    """Return a function that runs a command in an empty folder and returns (exit code, output, errors)."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def call(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return ended.value.code or 0, out, err

    return call


def refused(result, *pieces):
    """Assert that a command ended with one line and 2, with these pieces in the line."""
    code, _, err = result
    lines = err.strip().splitlines()
    assert code == 2
    assert len(lines) == 1, err
    assert lines[0].startswith("error: ")
    for piece in pieces:
        assert piece in lines[0]


ALONE = ('"sgd", "adam"', '"sgd"')  # one arm


@dataclass(frozen=True)
class Finished:
    """A run of the tiny benchmark that has ended: its file and folder, and what was printed."""

    file: Path
    folder: Path
    out: str


@pytest.fixture
def finished(tiny_run):
    place = tiny_run.parent.parent
    return Finished(place / "tiny.toml", tiny_run, (place / "printed.txt").read_text(encoding="utf-8"))


@pytest.fixture
def copied(tiny_copy, finished):
    """The same, but for its folder: a copy, which a test may change."""
    return replace(finished, folder=tiny_copy)


@pytest.fixture
def nothing_written(tmp_path):
    yield
    assert not (tmp_path / "here" / "runs").exists()


BAD = {
    "unknown key": (("trials = 3", "trails = 3"), "tiny.toml:13: search.trails", "did you mean 'trials'"),
    "wrong type": (("trials = 3", 'trials = "3"'), "tiny.toml:13: search.trials: must be a whole number >= 1 and <= 1000000, got '3'"),
    "impossible value": (("seeds = 2", "seeds = 0"), "tiny.toml:18: compare.seeds: must be", "got 0"),
    "broken TOML": (("[data]", "[data"), "tiny.toml:3: must be valid TOML"),
    "unknown optimizer": (('"adam"', '"adm"'), "tiny.toml:7: train.optimizers: must name an optimizer, got 'adm'; did you mean 'adam'?"),
    "unknown option": (("train = 64", "trian = 64"), "tiny.toml:5: data.options.trian: must be an option of dataset 'dogscats'"),
    "unknown metric": (("trials = 3", 'trials = 3\nmetric = "acuracy"'), "tiny.toml:14: search.metric", "did you mean 'accuracy'"),
    "bad range": (("[compare]", "[search.space.sgd]\nlr = { low = 2, high = 1 }\n[compare]"), "tiny.toml:18: search.space.sgd.lr: must be a range"),
    "unknown hyperparameter": (("[compare]", "[search.space.sgd]\nmomentun = 0.5\n[compare]"), "tiny.toml:18: search.space.sgd.momentun: must be what 'sgd' takes", "did you mean 'momentum'"),
    "impossible hyperparameter": (("[compare]", "[search.space.sgd]\nlr = -1.0\n[compare]"), "tiny.toml:18: search.space.sgd.lr: must be a number >= 1e-12 and <= 1000, got -1.0"),
    "grid over a range": (('sampler_options = { n_startup_trials = 2 }', 'sampler = "grid"'), "search.sampler: must have finite spaces for 'grid'"),
    "sampler that refuses": (("n_startup_trials = 2", 'n_startup_trials = "x"'), "tiny.toml:15: search.sampler_options.n_startup_trials: must be a whole number >= 0, got 'x'"),
    "no CUDA": (("threads = 1", 'threads = 1\ndevice = "cuda"'), "tiny.toml:11: train.device: must be a device of this machine, got 'cuda'"),
    "unknown device": (("threads = 1", 'threads = 1\ndevice = "tpu"'), "must be auto, cpu, cuda or cuda:N, got 'tpu'"),
    "unknown target": (("[report]", '[report]\ntarget = { metric = "acuracy", value = 0.9 }'), "report.target.metric: must be a metric of task", "did you mean 'accuracy'"),
    "unknown report": (('formats = ["text"]', 'formats = ["pdf"]'), "report.formats: must name a report, got 'pdf'"),
}  # fmt: skip


@pytest.mark.usefixtures("nothing_written")
@pytest.mark.parametrize("case", BAD)
def test_a_wrong_benchmark_is_one_line_and_2(harness, benchmark_file, case, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    replacement, *pieces = BAD[case]
    refused(harness("run", benchmark_file(replacement)), *pieces)


@pytest.mark.usefixtures("nothing_written")
def test_wrong_arguments_are_one_line_and_2(harness, benchmark_file, tmp_path):
    file = benchmark_file()
    refused(harness("run", "none.toml"), "none.toml: must be a benchmark file")
    refused(harness("run", file, "--profile", "big"), "--profile: must name a profile of the file, got 'big'")
    refused(harness("run", file, "--data", "nowhere"), "--data: must be a folder with the data, got 'nowhere'")
    refused(harness("run", file, "--data", file), "which is a file")
    refused(harness("run", file, "--data", tmp_path), "must have train/CLASS and valid/CLASS")
    refused(
        harness("run", file, "--set", "train.l2=lots"), "--set: train.l2: must be a number >= 0 and <= 100, got 'lots'"
    )
    refused(harness("run", file, "--set", "nothing"), "--set: must be KEY=VALUE")
    refused(harness("run", file, "--plugin", "none.py"), "none.py: must be a plugin file")
    refused(harness("run", file, "--block", "nobody"), "block: must name a plugin")
    refused(harness("run"), "command line: Missing argument 'FILE.toml'; try 'harness run --help'")
    refused(harness("run", file, "--colour"), "command line: No such option", "; try 'harness run --help'")
    refused(
        harness("data", "inspect", "--colour"), "command line: No such option", "; try 'harness data inspect --help'"
    )
    refused(harness("walk"), "command line: No such command 'walk'; try 'harness --help'")
    refused(
        harness("list", "optimzer"), "list: must be given a kind of plugin, got 'optimzer'; did you mean 'optimizer'?"
    )


def test_several_workloads_are_compared_with_no_arm_together(harness, tmp_path):
    (tmp_path / "workloads.json").write_text("{}")
    refused(
        harness("show", tmp_path, "--against", "adam"),
        f"--against: must be with the run folder of one workload, got '{tmp_path}', which has several; name one of them",
    )


@pytest.mark.usefixtures("nothing_written")
def test_a_value_that_the_shell_took_apart_is_answered_with_quotes(harness, benchmark_file):
    file, quoted = benchmark_file(), """--set 'train.optimizers=["sgd", "adam"]'"""
    beginning = "command line: harness run: must be given nothing more, got "
    refused(harness("run", file, "--set", "train.optimizers=[sgd,", "adam]"), f"{beginning}'adam]'", quoted)
    refused(
        harness("run", file, "--set", "search.trials", "=", "3"),
        f"{beginning}'= 3'",
        "a value with blanks needs quotes",
    )
    refused(harness("run", file, "--set", "train.optimizers=[sgd,adam]"), "got '[sgd,adam]'", f"; write {quoted}")
    refused(harness("run", file, "--set", "train.optimizers=adam"), """; write --set 'train.optimizers=["adam"]'""")
    refused(
        harness("run", file, "--trials", "3"),
        "No such option: --trials; it is a key of the benchmark file: --set search.trials=VALUE",
    )
    refused(
        harness("run", file, "--batch-size", "3"), "it is a key of the benchmark file: --set train.batch_size=VALUE"
    )
    refused(
        harness("run", file, "--time-limit", "5", "minutes"),
        f"{beginning}'minutes'; a time is one word, such as 5min or 1h30m",
    )
    refused(harness("show", "my", "runs"), "harness show: must be given nothing more, got 'runs'; a name with blanks")


@pytest.mark.usefixtures("nothing_written")
def test_a_wrong_environment_variable_is_named(harness, benchmark_file, monkeypatch):
    monkeypatch.setenv("HARNESS_DATA", "/nowhere/at/all")
    refused(harness("run", benchmark_file()), "HARNESS_DATA: must be a folder with the data")


@pytest.mark.usefixtures("nothing_written")
def test_a_broken_plugin_file_is_one_line_and_2(harness, benchmark_file, tmp_path):
    plugin = tmp_path / "bad.py"
    plugin.write_text("def f(:\n")
    refused(harness("run", benchmark_file(), "--plugin", plugin), "bad.py:1: must be valid Python")
    plugin.write_text("x = 1\n1 / 0\n")
    refused(harness("run", benchmark_file(), "--plugin", plugin), "bad.py:2: must import, got ZeroDivisionError")
    named = benchmark_file(('name = "tiny"', 'name = "tiny"\nplugins = ["bad.py"]'))
    refused(harness("run", named), "bad.py:2: must import")


@pytest.mark.usefixtures("nothing_written")
def test_bad_photos_are_one_line_and_2(harness, benchmark_file, photos):
    root = photos()
    (root / "train" / "cats" / "cats.0.jpg").write_bytes(b"nothing of a photo")
    refused(harness("run", benchmark_file(), "--data", root), "1 of 24 unreadable: train/cats/cats.0.jpg")


@pytest.mark.usefixtures("undrawn")
def test_skipped_photos_are_named_in_the_report(harness, benchmark_file, photos, page, smallest):
    root = photos(train=24)
    (root / "train" / "cats" / "cats.0.jpg").write_bytes(b"nothing of a photo")
    file = benchmark_file(page, ALONE, *smallest)
    code, out, _ = harness("run", file, "--data", root, "--set", "data.on_bad_image=skip")
    assert code == 0
    assert "1 unreadable examples are left out: train/cats/cats.0.jpg" in out
    (report,) = Path("runs").glob("*/report.html")
    assert "cats.0.jpg" in report.read_text()


def test_the_debug_flag_shows_the_traceback(capsys):
    from harness.errors import BenchmarkError

    with pytest.raises(BenchmarkError):
        main(["--debug", "run", "none.toml"])


def test_an_output_folder_that_cannot_be_is_one_line(harness, benchmark_file, tmp_path):
    (tmp_path / "file").write_text("")
    refused(harness("run", benchmark_file(), "--out", tmp_path / "file"), "must be a folder that can be written to")


def test_our_own_faults_are_one_line_too_and_a_code_of_their_own(harness, benchmark_file, monkeypatch):
    monkeypatch.setattr("harness.running.prepare.resolve", lambda *a: 1 / 0)
    code, _, err = harness("run", benchmark_file())
    assert code == 70
    assert err == "error: harness itself: ZeroDivisionError: division by zero; --debug shows where, please report it\n"
    with pytest.raises(ZeroDivisionError):
        main(["run", str(benchmark_file()), "--debug"])


@pytest.mark.parametrize("group", ["data", "baseline"])
def test_a_group_alone_shows_its_help(harness, group):
    code, out, err = harness(group)
    assert (code, err, out.startswith(f"Usage: harness {group} [OPTIONS] COMMAND")) == (0, "", True)


def test_no_arguments_show_the_help(harness):
    code, out, err = harness()
    assert (code, err) == (0, "")
    assert out.startswith("Usage: ")


def test_the_work_goes_on_when_nobody_listens(benchmark_file, tmp_path, smallest, every_analysis):
    blocked = ('name = "tiny"', f'name = "tiny"\nblock = {json.dumps(every_analysis)}')
    file = benchmark_file(*smallest, ALONE, ("epochs = 2", "epochs = 1\nprobes = []"), blocked)
    command = f"{sys.executable} -m harness run {file} --out {tmp_path / 'runs'} | head -n 1"
    subprocess.run(["bash", "-c", command], check=True, capture_output=True, timeout=600)
    (folder,) = (tmp_path / "runs").iterdir()
    assert (folder / "report.txt").is_file()


@pytest.mark.usefixtures("undrawn")
def test_a_run_and_what_can_be_asked_of_it(harness, copied):
    folder = copied.folder
    assert "DRAWINGS" in copied.out
    assert copied.out.count("trial 1/3") == 2

    code, out, _ = harness("show", folder, "--json")
    found = json.loads(out)
    assert code == 0
    assert {"arms", "metric", "data", "environment", "command", "state"} <= set(found)
    assert found["state"] == "finished"

    code, out, _ = harness("show", folder)
    assert "lesson_cnn/sgd/cosine: test accuracy " in out
    code, out, _ = harness("status", folder)
    assert "trials 3/3; seeds 2/2" in out
    assert json.loads(harness("status", folder, "--json")[1])["state"] == "finished"

    assert not (folder / "report.html").exists()
    code, out, _ = harness("report", folder, "--format", "html,md")
    assert code == 0
    assert (folder / "report.html").is_file()
    assert (folder / "report.md").is_file()
    refused(
        harness("report", folder, "--format", "pdf"),
        "report --format: must be formats of reports, got 'pdf'",
        "'harness figures RUN --format pdf'",
    )

    code, out, _ = harness("run", copied.file, "--out", folder.parent)
    assert code == 0
    assert "nothing left to do" in out


def test_a_run_ends_with_its_result_in_a_few_lines_that_show_says_too(harness, benchmark_file):
    fewer = (("trials = 3", "trials = 1"), ("seeds = 2", "seeds = 3\nuntuned = 0\ngate = false"))
    file = benchmark_file(*fewer, ('formats = ["text"]', 'formats = ["text", "md"]'))
    code, out, _ = harness("run", str(file))
    assert code == 0
    lines = out.splitlines()
    (folder,) = Path("runs").iterdir()
    assert lines[-2:] == [f"report: {folder / name}" for name in ("report.txt", "report.md")]
    result = lines[next(i for i, line in enumerate(lines) if line.startswith("comparing photos: 160")) + 1 : -2]
    assert 6 <= len(result) <= 14
    too_long = [
        line for line in result[:-1] if len(line) > 80 and max(map(len, line.split())) < 60
    ]  # a path is not broken
    assert too_long == []
    model = next(i for i, line in enumerate(result) if line.startswith("'harness predict' and 'harness export' take "))
    assert re.fullmatch(
        r".* take (sgd|adam), seed \d: the best arm on tune, and its best seed there "
        r"\(tune accuracy [\d.]+ %, test accuracy [\d.]+ %\)",
        " ".join(line.strip() for line in result[model:-1]),
    )
    result = [*result[:model], result[-1]]
    assert re.fullmatch(rf"took [\d.]+ (s|min)( \d+ s)?; all details: harness show {folder}", result[-1])
    _, shown, _ = harness("show", str(folder))
    said = shown.splitlines()
    answer, verdict = said[3], next(line for line in said if line.startswith("do they reach the same minimum?"))
    doubts = [line for line in said if line.lstrip().startswith("doubt: ")]
    assert all(line.startswith("doubt: ") for line in doubts)  # the verdict does not tell them again
    doubt = doubts[0]
    assert " ".join(line.strip() for line in result[:-4]) == f"{answer} {verdict} {doubt}"
    assert result[-4] == "test accuracy, mean ± SD over seeds:"
    arms = re.findall(r"/(\w+)/cosine: test accuracy (.*) \(mean ± SD of (3 seeds)", shown)
    ranked = [re.fullmatch(r"  \d\. (\w+) +(.*) \((3 seeds)\)", line).groups() for line in result[-3:-1]]
    assert arms == ranked
    means = [float(score.split()[0]) for _, score, _ in ranked]
    assert means == sorted(means, reverse=True)


@pytest.mark.usefixtures("undrawn")
def test_what_a_time_limit_leaves_out_is_no_failure_and_one_command_adds_just_that(
    harness, benchmark_file, page, monkeypatch
):
    probe = """
from harness import Probe, hookimpl


def count(*parts):
    return {"networks": len(parts)}


@hookimpl
def harness_probes():
    return [Probe(name="pairs", measure=count, networks=2)]
"""
    (benchmark_file().parent / "probe.py").write_text(probe, encoding="utf-8")
    more = 'seeds = 1\ngate = false\nuntuned = 0\nprobes = ["pairs"]'
    replicates = ("looks = [1]", "looks = [3]")  # pairs are of different replicates
    plugin = ("name = ", 'plugins = ["probe.py"]\nname = ')
    file = benchmark_file(plugin, ("seeds = 2", more), replicates, ("trials = 3", "trials = 1"), page)
    with monkeypatch.context() as patch:
        patch.setattr(TimeLimit, "fits", lambda limit, seconds, of="", late=False: not of.startswith("probe"))
        code, out, _ = harness("run", str(file), "--time-limit", "99h")
    (folder,) = Path("runs").iterdir()
    assert (code, "warning" in out) == (0, False)
    remedy = re.compile(rf"probe pairs was left out: .*: harness run {file} --only-measure")
    (afterwards,) = (line for line in out.splitlines() if remedy.fullmatch(line))
    assert (
        "8 pairs of networks are the fewest that treat all arms alike, and the time limit of 99 h has no room"
        in afterwards
    )
    for command in ("show", "status"):
        _, told, _ = harness(command, str(folder))
        assert afterwards in told
    page_text = re.sub(r"</?span[^>]*>", "", (folder / "report.html").read_text(encoding="utf-8"))
    assert afterwards in html.unescape(page_text)
    plain = ("--set", 'report.formats=["text"]')  # which is no other benchmark
    code, out, _ = harness("run", str(file), "--only-measure", *plain)
    assert (code, [*Path("runs").iterdir()]) == (0, [folder])
    assert "12 measurements to make" in out
    assert not re.search(r"trial \d|seed \d", out.partition("'harness predict'")[0])
    assert "left out" not in harness("status", str(folder))[1]
    assert open_records(folder).meta.probes["pairs"]["done"] == 12


def test_plan_says_runs_time_and_disk_and_writes_no_run_folder(harness, benchmark_file, monkeypatch):
    monkeypatch.setattr("harness.running.forecast.timing.SECONDS_PER_ARM", 0.05)
    code, out, _ = harness("plan", benchmark_file(), "--json")
    found = json.loads(out)
    assert code == 0
    assert [arm["comparison"] for arm in found["arms"]] == [{"fresh": 2, "untuned": 2, "restart": 1}] * 2
    assert found["runs"] == 2 * (3 + 2 + 2 + 1)
    assert [arm["epochs"] for arm in found["arms"]] == [3 * 1.5 + 2 * 2 + 2 * 2 + 1] * 2
    assert found["seconds"] > 0
    assert found["bytes"] > 2 * 2 * 4 * 49_266
    assert not Path("runs").exists()
    assert "in all about" in harness("plan", benchmark_file())[1]


def test_the_plans_bytes_are_of_the_right_size(harness, finished, monkeypatch):
    monkeypatch.setattr("harness.running.forecast.timing.SECONDS_PER_ARM", 0.05)
    planned = json.loads(harness("plan", finished.file, "--json")[1])["bytes"]
    kept = sum(f.stat().st_size for name in ("solutions", "predictions") for f in (finished.folder / name).iterdir())
    assert kept < planned < 3 * kept


def test_list_says_where_each_plugin_comes_from(harness):
    code, out, _ = harness("list", "--json")
    plugins = json.loads(out)["plugins"]
    assert code == 0
    assert {"kind": "optimizer", "name": "sgd", "plugin": "harness_plugins.optimizers.sgd"}.items() <= next(
        p for p in plugins if p["name"] == "sgd"
    ).items()
    code, out, _ = harness("list", "optimizers")
    assert {line.split()[0] for line in out.splitlines()} == {"optimizer"}
    assert "timm:*" in harness("list", "backbone")[1]
    assert "blocked: sgd" in harness("list", "--block", "sgd")[1]


def test_list_says_in_a_few_words_what_each_plugin_is(harness, tmp_path, monkeypatch):
    """Whoever writes a plugin gets it for free, from the docstring of its module."""
    monkeypatch.setattr("harness.cli.list.columns_of", lambda stream: 80)
    (tmp_path / "here" / "unit.py").write_text(
        '"""Unit: steps of one length, whatever the gradient. You 2017."""\n'
        "import torch\nfrom harness import Optimizer, hookimpl\n"
        "@hookimpl\ndef harness_optimizers():\n"
        '    return [Optimizer("unit", torch.optim.SGD, space={})]\n'
    )
    _, out, _ = harness("list", "--plugin", "unit.py")
    lines = out.splitlines()
    assert "optimizer  unit               Steps of one length (unit.py)" in lines
    assert "optimizer  sgd                SGD with momentum" in lines
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if not line.startswith(" ") and len(line.split()) < 4] == []
    _, out, _ = harness("list", "benchmarks", "--long")
    assert [line.split()[1] for line in out.splitlines()] == ["diabetes", "dogscats", "suite", "tiny"]
    assert all(line.endswith(".toml") for line in out.splitlines())


def test_a_plugin_file_that_imports_torch_has_not_changed_it(tmp_path):
    """In a process of its own, where torch is not there yet."""
    file = tmp_path / "unit.py"
    file.write_text(
        "import torch\nfrom harness import Optimizer, hookimpl\n\n\n@hookimpl\ndef harness_optimizers():\n    return []\n"
    )
    code = "import sys; from harness.plugin.discovery import discover; from harness.plugin.process_settings import take_notes\n"
    code += f"from pathlib import Path\nassert 'torch' not in sys.modules\ntry: discover([Path({str(file)!r})])\nexcept Exception: pass\n"
    code += "assert 'torch' in sys.modules\nprint(take_notes())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("command", ["status", "show", "report"])
def test_what_is_no_run_folder_is_refused(harness, tmp_path, command):
    refused(harness(command, "none"), "none: must be a run folder, got nothing there; check the path")
    for name in ("tiny-0123abcd", "other-0123abcd"):
        (Path("runs") / name).mkdir(parents=True)
        (Path("runs") / name / "run.db").touch()
    refused(harness(command, "tiny"), "tiny: must be a run folder, got nothing there; there is runs/tiny-0123abcd")
    (tmp_path / "empty").mkdir()
    refused(harness(command, tmp_path / "empty"), "got no run.db in it")
    (tmp_path / "empty" / "run.db").write_text("no database")
    refused(harness(command, tmp_path / "empty"), "must be the records of a run")


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_help_needs_neither_torch_nor_plugins():
    code = (
        "import sys\nfrom harness.cli.app import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print({'torch', 'optuna', 'timm', 'pandas', 'pydantic', 'numpy', 'harness_plugins'} & set(sys.modules))"
    )
    out = python(code)
    assert "run " in out
    assert out.strip().endswith("set()")


def test_a_report_is_rendered_without_torch(copied):
    code = (
        "import sys\n"
        "class No:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name in ('torch', 'timm'): raise ImportError(name)\n"
        "sys.meta_path.insert(0, No())\n"
        "from harness.cli.app import main\n"
        f"try: main(['report', {str(copied.folder)!r}])\nexcept SystemExit as ended: print('ended', ended.code)"
    )
    assert python(code).splitlines()[-1] == "ended 0"
