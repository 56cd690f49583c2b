"""What ``harness new`` writes works as it stands: it loads, keeps its contract, takes part in a run, and installs."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import zipfile

import pytest

from harness.cli.app import main
from harness.cli.new import ALL, lines, scaffold
from harness.cli.show import show
from harness.console.progress import Reporter
from harness.errors import HarnessError
from harness.plugin.contracts import KINDS, Optimizer
from harness.plugin.discovery import discover
from harness.running.prepare import Request, prepare
from harness.running.start import run
from harness.testing import checks


@pytest.fixture(scope="module", autouse=True)
def _plugins_looked_for_once(registry):
    """Every file that is written asks which names are taken: the installed plugins are looked for once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.plugin.discovery.discover", lambda *args: discover(*args) if args else registry)
        yield


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory):
    """Return a folder with a plugin of every kind, and what was written, by kind."""
    folder = tmp_path_factory.mktemp("every_kind")
    return folder, {kind: scaffold(kind, f"my-{kind}", folder) for kind in ALL}


def plugins(every_kind):
    return tuple(found.files[0] for found in every_kind[1].values())


def test_every_kind_can_be_begun():
    assert set(ALL) == {*KINDS, "catalogue"}


@pytest.mark.parametrize("kind", ALL)
def test_a_written_plugin_offers_its_kind_by_its_name(every_kind, kind):
    registry = discover([every_kind[1][kind].files[0]])
    if kind == "catalogue":
        assert registry.find("backbone", "my-catalogue:w16", "here").offer.name == "w16"
    else:
        assert registry.offers[kind][f"my-{kind}"].plugin == f"my_{kind}"


def test_the_written_tests_pass(every_kind):
    """The check ``pure`` needs a run, which this process may have already."""
    folder, _ = every_kind
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-k", "not pure", "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 3 * len(ALL)


@pytest.mark.parametrize("kind", ["analysis", "report"])
def test_what_is_written_of_records_is_pure(every_kind, kind):
    registry = discover([every_kind[1][kind].files[0]])
    (check,) = (check for check in checks(registry.offers[kind][f"my-{kind}"].offer) if check.name == "pure")
    check()


@pytest.mark.usefixtures("undrawn")
def test_the_written_plugins_take_part_in_one_run(every_kind, benchmark_file, tmp_path):
    file = benchmark_file(
        ("trials = 3", "trials = 1"),
        ("seeds = 2", "seeds = 2\nuntuned = 0\ngate = false"),
        ('executor = "inprocess"\n', ""),
        ("[data]\nsize = 16", '[data]\ndataset = "my-dataset"'),
        (
            'optimizers = ["sgd", "adam"]',
            (
                'task = "my-task"\nexecutor = "my-executor"\nbackbones = ["my-catalogue:w16"]\n'
                'optimizers = ["my-optimizer"]\nschedulers = ["my-scheduler"]'
            ),
        ),
        ("[compare]", '[compare]\nprobes = ["my-probe"]'),
        ('formats = ["text"]', 'formats = ["my-report", "html"]'),
    )
    assert run(Request(file, out=tmp_path / "runs", plugins=plugins(every_kind)), Reporter(quiet=True)) == 0
    (folder,) = (tmp_path / "runs").iterdir()
    (arm,) = show(folder, discover())["arms"]
    assert arm["arm"] == "my-catalogue:w16/my-optimizer/my-scheduler"
    for seed in arm["seeds"]:
        assert seed["metrics"]["my-probe.length"] > 0
        assert 0 < seed["metrics"]["my-probe.largest"] <= 1
    assert (folder / "tables" / "my-analysis.parquet").is_file()
    assert (
        "  my-catalogue:w16/my-optimizer/my-scheduler  (2 of 2 seeds)" in (folder / "report.my-report.txt").read_text()
    )


@pytest.mark.parametrize("kind", ALL)
def test_the_command_to_type_next_is_right(every_kind, benchmark_file, kind):
    check, carry_out, test = map(shlex.split, every_kind[1][kind].commands)
    plugin, its_test = map(str, every_kind[1][kind].files)
    assert check[:2] == ["harness", "check"]
    assert plugin in check
    assert test == ["pytest", its_test]
    assert carry_out[:2] == ["harness", "run"]
    assert carry_out[2] == "dogscats"  # which comes with the harness
    assert carry_out[3:5] == ["--plugin", plugin]
    overrides = tuple(word for word in carry_out[5:] if word != "--set")
    file = benchmark_file(('optimizers = ["sgd", "adam"]', 'optimizers = ["sgd"]'))
    ready = prepare(Request(file, plugins=plugins(every_kind), overrides=overrides), Reporter(quiet=True))
    used = [json.dumps(ready.plan.benchmark.model_dump(mode="json"))]
    assert f"my-{kind}" in used[0] or kind == "analysis"  # every analysis takes part


@pytest.mark.parametrize("name", ["a", "a-name-of-thirty-small-letters"])
def test_lines_stay_within_the_rules_of_style_under_any_name(tmp_path, name):
    for kind in ALL:
        for file in scaffold(kind, name, tmp_path / kind).files:
            text = file.read_text()
            assert "newcomer" not in text.lower()
            assert max(map(len, text.splitlines())) <= 120, file
            compile(text, str(file), "exec")


def test_a_taken_name_gets_another_and_says_so(tmp_path):
    found = scaffold("optimizer", "lion", tmp_path)
    assert "'lion' is taken by harness_plugins.optimizers.lion (optimizer-harness " in lines(found)[0]
    assert "called 'my_lion'" in lines(found)[0]
    assert found.files == (tmp_path / "lion.py", tmp_path / "test_lion.py")
    assert "my_lion" in found.commands[1]
    assert discover(found.files[:1]).get("optimizer", "my_lion", Optimizer).build.__name__ == "Lion"


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("optimzer", "x", r"must be given a kind of plugin, got 'optimzer'; did you mean 'optimizer'\?"),
        ("optimizer", "Lion", r"a letter first, got 'Lion'; try 'lion'"),
        ("optimizer", "my lion", r"got 'my lion'; try 'my-lion'"),
        ("optimizer", "2fast", r"got '2fast'$"),
        ("optimizer", "../x", r"got '\.\./x'; try 'x'"),
        ("optimizer", "", r"got ''$"),
        (
            "optimizer",
            "class",
            r"must be a name that Python code may take, got 'class', which is in use; try 'my-class'",
        ),
        ("probe", "json", r"got 'json', which is in use"),
        ("probe", "torch", r"got 'torch', which is in use"),
        ("optimizer", "float", r"got 'float', which is in use"),  # its class would hide harness.Float
        ("probe", "conftest", r"got 'conftest', which is in use"),
    ],
)
def test_a_name_that_will_not_do_is_refused(tmp_path, kind, name, message):
    for package in (False, True) if name not in ("json", "torch") else (False,):
        with pytest.raises(HarnessError, match=message) as caught:
            scaffold(kind, name, tmp_path, package)
        assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "test_mine.py").write_text("precious")
    with pytest.raises(HarnessError, match=r"must be a new file, got '.*test_mine\.py', which exists"):
        scaffold("probe", "mine", tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["test_mine.py"]
    assert (tmp_path / "test_mine.py").read_text() == "precious"
    (tmp_path / "harness-mine").mkdir()
    with pytest.raises(HarnessError, match=r"must be a new folder, got '.*harness-mine', which exists"):
        scaffold("probe", "mine", tmp_path, package=True)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        HarnessError, match=r"file: must be written, got 'File exists'; name another folder with --out$"
    ):
        scaffold("probe", "mine", tmp_path / "file")


def test_the_command_says_what_it_wrote_and_what_is_next(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["new", "schedulers", "falling", "--out", "deep/down"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.splitlines() == [
        "wrote deep/down/falling.py",
        "wrote deep/down/test_falling.py",
        "next:",
        "  harness check deep/down/falling.py",
        """  harness run dogscats --plugin deep/down/falling.py --set 'train.schedulers=["cosine", "falling"]'""",
        "  pytest deep/down/test_falling.py",
    ]


def installed(wheel, folder):
    """Unpack a wheel, as an installer does with a pure one, and return the environment that sees it."""
    zipfile.ZipFile(wheel).extractall(folder)
    return {**os.environ, "PYTHONPATH": str(folder)}


@pytest.mark.parametrize("kind", ["optimizer", "catalogue"])
def test_a_package_builds_installs_and_is_found(tmp_path, kind):
    pytest.importorskip("hatchling", reason="hatchling is not installed here; tox installs it")
    found = scaffold(kind, "my-own", tmp_path, package=True)
    root = tmp_path / "harness-my-own"
    assert all(file.is_relative_to(root) for file in found.files)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    subprocess.run(build, cwd=root, capture_output=True, check=True)
    (wheel,) = (tmp_path / "dist").iterdir()
    assert wheel.name == "harness_my_own-0.1.0-py3-none-any.whl"
    names = zipfile.ZipFile(wheel).namelist()
    assert {"harness_my_own/__init__.py", "harness_my_own/my_own.py", "harness_my_own/py.typed"} <= set(names)
    assert not any("test" in name for name in names)
    command = [sys.executable, "-m", "harness", "list", "--json"]
    environment = installed(wheel, tmp_path / "site")
    listing = json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    where = "catalogues" if kind == "catalogue" else "plugins"
    assert [(p["kind"], p["plugin"], p["origin"]) for p in listing[where] if p["name"] == "my-own"] == [
        ("backbone" if kind == "catalogue" else kind, "harness_my_own.my_own", "harness-my-own 0.1.0")
    ]
    assert listing["broken"] == {}


def test_a_packages_tests_import_its_module_and_its_pyproject_names_it(tmp_path):
    import tomllib

    scaffold("probe", "my-own", tmp_path, package=True)
    root = tmp_path / "harness-my-own"
    said = tomllib.loads((root / "pyproject.toml").read_text())
    assert said["project"]["name"] == "harness-my-own"
    assert said["project"]["description"] == "my-own, a probe for harness."
    assert said["project"]["entry-points"]["harness"] == {"my-own": "harness_my_own"}
    assert "from harness_my_own.my_own import harness_probes, measure\n" in (root / "tests/test_my_own.py").read_text()
    readme = (root / "README.md").read_text()
    assert "    harness check my-own\n" in readme
    assert "newcomer" not in readme
    assert "newcomer" not in (root / "pyproject.toml").read_text()
