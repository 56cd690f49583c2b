"""What the plugin page says is true: every hook has a section, and every example passes its checks and takes part in a run."""

from __future__ import annotations

import json
import re
from dataclasses import fields, is_dataclass
from typing import get_args, get_type_hints

import pytest
import torch

from harness.benchmark.loading import load
from harness.cli.app import main
from harness.cli.show import show
from harness.console.progress import Reporter
from harness.errors import UnknownName
from harness.plugin import contracts as module
from harness.plugin import hookspecs
from harness.plugin.contracts import Optimizer
from harness.plugin.discovery import discover
from harness.records import open_records
from harness.running.prepare import Request, prepare
from harness.running.start import run
from harness.testing import checks

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def blocks(repository, tmp_path):
    """Return a function that returns the code blocks of a page, written to files."""

    def read(page, language):
        texts = [text for kind, text in BLOCK.findall((repository / page).read_text()) if kind == language]
        files = []
        for i, text in enumerate(texts):
            file = tmp_path / f"{language}_{i}.{'py' if language == 'python' else language}"
            file.write_text(text)
            files.append(file)
        return files

    return read


def contracts():
    """Return every frozen value that ``harness.plugin.contracts`` defines, by its name."""
    return {name: value for name, value in vars(module).items() if is_dataclass(value) and isinstance(value, type)}


def members(value):
    """Return the public fields of a frozen value, or the public members of a protocol; none of anything else."""
    if is_dataclass(value):
        return {field.name for field in fields(value)}
    if getattr(value, "_is_protocol", False):
        return {name for name in vars(value) if not name.startswith("_")}
    return set()


HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("harness_"))


@pytest.fixture
def sections(repository):
    """Return the sections of the plugin page, by heading."""
    _, *parts = re.split(r"^## (.+)$", (repository / "docs" / "plugins.md").read_text(), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def offered(hook):
    """Return the type that a hook returns a list of."""
    return get_args(get_type_hints(getattr(hookspecs, hook))["return"])[0]


def test_every_hook_has_a_heading_and_every_heading_a_hook(sections):
    assert sorted(heading for heading in sections if heading.startswith("harness_")) == HOOKS


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hooks_section_has_an_example_of_it(sections, hook):
    examples = [text for language, text in BLOCK.findall(sections[hook]) if language == "python"]
    assert examples
    assert all(f"def {hook}(" in example for example in examples)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_section_names_every_field_of_the_contract_and_no_other(sections, hook):
    general = {"name", "reference"}  # every contract has them; the page explains them once, above
    type_ = offered(hook)
    prose = BLOCK.sub("", sections[hook])
    known = {field.name for field in fields(type_)}
    named = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", prose))))
    assert known - general <= named
    listed = re.findall(r"^- `(\w+)", prose, re.MULTILINE)
    assert set(listed) <= known


@pytest.mark.parametrize("name", [name for name in module.__all__ if members(getattr(module, name))])
def test_the_page_names_every_public_member_of_every_value_that_plugins_receive(sections, name):
    prose = BLOCK.sub("", "".join(sections.values()))
    named = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", prose))))
    assert members(getattr(module, name)) <= named


def test_the_members_of_a_value_are_its_fields_and_those_of_a_protocol_its_properties_and_methods():
    assert {"root", "required", "skipped"} <= members(module.DataRequest)
    assert {"room", "submit"} <= members(module.RunningExecutor)
    assert members(module.Space) == set()


def test_the_request_of_a_dataset_has_a_line_in_the_table_for_each_attribute(sections):
    listed = re.findall(r"^\| `(\w+)` \|", sections["harness_datasets"], re.MULTILINE)
    assert sorted(listed) == sorted(members(module.DataRequest))


def test_a_signature_on_the_page_is_the_contracts_own(sections):
    page, known = "".join(sections.values()), contracts()
    signatures = [(name, names) for name, names in re.findall(r"`(\w+)\((\w+(?:, \w+)*)\)`", page) if name in known]
    assert {name for name, _ in signatures} >= {offered(hook).__name__ for hook in HOOKS}
    for name, names in signatures:
        assert names.split(", ") == [field.name for field in fields(known[name])][: names.count(",") + 1], name


def test_every_example_of_the_plugin_page_takes_part_in_a_run(
    blocks, benchmark_file, tmp_path, registry, every_analysis
):
    needed = registry.offers["analysis"]["leaderboard"].plugin  # by the page's report
    blocked = [plugin for plugin in every_analysis if plugin != needed]
    file = benchmark_file(
        ('name = "tiny"', f'name = "tiny"\nblock = {json.dumps(blocked)}'),  # the page's own analysis takes part
        ('executor = "inprocess"\n', ""),
        ("[data]\nsize = 16\noptions = { train = 64, tune = 32, test = 64 }", '[data]\ndataset = "clouds"'),
        (
            'optimizers = ["sgd", "adam"]',
            (
                'task = "logistic"\nexecutor = "stack"\nbackbones = ["pixels", "mlp16"]\nschedulers = ["line"]\n'
                'optimizers = ["mylion", "unit", "clip(adam)"]'
            ),
        ),
        ("trials = 3", "trials = 2"),
        (
            "seeds = 2\nepochs = 2\nlooks = [1]",
            "seeds = 1\nepochs = 20\nlooks = [2]\nuntuned = 0\ngate = false",
        ),  # a pair is of two replicates
        (
            "[compare]",
            (
                "[search.space.mylion]\nlr = { low = 1e-2, high = 3e-2, log = true }\n"
                "[search.space.unit]\nlr = { low = 1e-2, high = 1e-1, log = true }\n"
                '[search.space."clip(adam)"]\nlr = { low = 1e-2, high = 1e-1, log = true }\n'
                '[compare]\nprobes = ["weights", "gradient_norm", "steps"]'
            ),
        ),
        ('formats = ["text"]', 'formats = ["board"]'),
    )
    plugins = tuple(blocks("docs/plugins.md", "python"))
    assert run(Request(file, out=tmp_path / "runs", plugins=plugins), Reporter(quiet=True)) == 0
    (folder,) = (tmp_path / "runs").iterdir()
    records = open_records(folder)
    names = ["mylion", "unit", "clip(adam)"]
    assert list(records.arms["arm"]) == [f"{net}/{name}/line" for net in ("pixels", "mlp16") for name in names]
    compared = records.compared()
    assert compared.groupby("arm").size().to_dict() == dict.fromkeys(records.arms["arm"], 2)
    # of 200 points: chance is .5, and the clouds overlap, so that about .92 are the most that can be right
    assert (compared["test_accuracy"] > 0.75).all()
    assert (compared["weights.length"] > 0).all()
    measured = records.measured
    assert set(measured["probe"]) == {"weights", "gradient_norm", "steps"}
    assert (measured.loc[measured["probe"].isin(["weights", "steps"]), "value"] > 0).all()
    assert (folder / "report.board.csv").read_text().startswith("arm,")
    assert (folder / "tables" / "cost.parquet").is_file()


def test_every_example_of_the_plugin_page_passes_its_checks(blocks):
    plugins = blocks("docs/plugins.md", "python")
    registry = discover(plugins)
    known = {plugin.stem for plugin in plugins}
    entries = [entry for kind in registry.offers.values() for entry in kind.values() if entry.plugin in known]
    offers = [entry.offer for entry in entries]
    assert len(offers) == len(plugins) - 1  # the catalogue offers nothing by itself
    failed = [f"{offer.name}: {check}" for offer in offers for check in checks(offer, quick=True) if fails(check)]
    assert failed == []


def fails(check):
    outcome = check.outcome()
    return outcome.text if outcome.status == "FAILED" else ""


def test_clip_shortens_long_gradients_and_leaves_short_ones(blocks):
    """The wrapper on the page: norm 5 becomes 1, norm 0.5 stays, and an optimizer that needs a closure is refused."""
    registry = discover(blocks("docs/plugins.md", "python"))
    clip = registry.get("optimizer", "clip", Optimizer)
    for gradient, moved in (([3.0, 4.0], [0.6, 0.8]), ([0.3, 0.4], [0.3, 0.4])):
        weight = torch.nn.Parameter(torch.zeros(2))
        optimizer = clip.build([weight], lr=1.0, clip=1.0)
        weight.grad = torch.tensor(gradient)
        optimizer.step()
        torch.testing.assert_close(-weight.detach(), torch.tensor(moved), rtol=1e-5, atol=1e-6)
    with pytest.raises(UnknownName, match=r"'clip\(torch:LBFGS\)': clip must go around one that takes"):
        registry.get("optimizer", "clip(torch:LBFGS)", Optimizer)


@pytest.mark.usefixtures("undrawn")
def test_a_strangers_file_is_checked_runs_and_is_in_the_report(
    blocks, benchmark_file, page, smallest, tmp_path, monkeypatch, capsys
):
    """The page's first example, a plain ``torch.optim.Optimizer`` subclass, as a stranger would use it."""
    monkeypatch.chdir(tmp_path)
    blocks("docs/plugins.md", "python")[0].rename("unit.py")
    file = benchmark_file(page, *smallest)
    assert harness("run", str(file), "--plugin", "unit.py", "--set", 'train.optimizers=["sgd", "unit"]') == 0
    (folder,) = (tmp_path / "runs").iterdir()
    html = (folder / "report.html").read_text()
    assert "lesson_cnn/unit/cosine" in [arm["arm"] for arm in show(folder, discover())["arms"]]
    assert "unit" in re.findall(r"\w+", re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", html, flags=re.DOTALL))
    capsys.readouterr()
    assert harness("check", "unit.py") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "optimizer unit"
    assert len([line for line in lines if line.startswith("  ok ")]) >= 15


def harness(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return ended.value.code


def test_plugins_in_a_benchmark_file_are_relative_to_it(blocks, tmp_path):
    """The page's TOML names unit.py next to it and ../shared/lion.py; the working folder is a different one."""
    first, second = tmp_path / "bench", tmp_path / "shared"
    unit, lion, *_ = blocks("docs/plugins.md", "python")
    toml = next(file for file in blocks("docs/plugins.md", "toml") if "plugins = [" in file.read_text())
    first.mkdir()
    second.mkdir()
    unit.rename(first / "unit.py")
    lion.rename(second / "lion.py")
    toml.rename(first / "mine.toml")
    small = ("data.size=16", "data.options={ train = 32, tune = 16, test = 16 }", "train.threads=1")
    ready = prepare(Request(first / "mine.toml", overrides=small), Reporter(quiet=True))
    assert ready.registry.offers["optimizer"]["unit"].origin == str(first / "unit.py")
    assert ready.registry.offers["optimizer"]["mylion"].plugin == "lion"


@pytest.mark.usefixtures("unreported")
def test_the_readmes_plugin_and_benchmark_are_whole(blocks, benchmark_file, smallest, tmp_path):
    (plugin,) = blocks("README.md", "python")
    assert "unit" in discover([plugin]).offers["optimizer"]
    file = benchmark_file(('"sgd", "adam"', '"sgd", "unit"'), *smallest)
    assert run(Request(file, out=tmp_path / "runs", plugins=(plugin,)), Reporter(quiet=True)) == 0
    (benchmark,) = blocks("README.md", "toml")
    assert load(benchmark)[0].name == "mine"
