"""``harness check``: what is found by a name or in a file, one line a check, and the exit code."""

from __future__ import annotations

import json

import pytest

from harness.cli.check import find_data, find_plugins, find_reference, print_results, run_checks
from harness.errors import HarnessError, UnknownName

GOOD = '''
"""A straight line."""
from harness import Scheduler, hookimpl

def build(optimizer, total_steps):
    from torch.optim.lr_scheduler import LambdaLR
    return LambdaLR(optimizer, lambda step: 1 - step / total_steps)

@hookimpl
def harness_schedulers():
    return [Scheduler(name="line", build=build)]
'''


@pytest.fixture
def plugin(tmp_path):
    def write(*replacement):
        file = tmp_path / "line.py"
        file.write_text(GOOD.replace(*replacement) if replacement else GOOD)
        return str(file)

    return write


def checked(capsys, name, as_json=False, **options):
    code = print_results(run_checks(find_plugins(name, **options), quick=True), as_json)
    return code, capsys.readouterr().out


def test_a_sound_file_passes_with_a_line_a_check(capsys, plugin):
    code, out = checked(capsys, plugin())
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "scheduler line"
    assert "  ok      several_groups" in lines
    assert lines[-1] == "8 ok, 1 n/a"


def test_a_fault_is_named_and_the_exit_code_is_one(capsys, plugin):
    code, out = checked(capsys, plugin("1 - step", "2 - step"))
    assert code == 1
    (line,) = [line for line in out.splitlines() if "FAILED  " in line]
    assert "peaks_at_lr" in line
    assert "must peak at the optimizer's own rate, got 2 x that" in line


def test_json_is_one_document(capsys, plugin):
    code, out = checked(capsys, plugin("1 - step", "2 - step"), as_json=True)
    found = json.loads(out)
    assert (code, found["failed"]) == (1, 1)
    assert {"kind": "scheduler", "plugin": "line", "check": "builds", "status": "ok", "text": ""} in found["checks"]


def test_a_name_of_several_kinds_means_all_of_them_and_kind_narrows():
    assert [kind for kind, _ in find_plugins("linear")] == ["backbone", "scheduler"]
    assert [kind for kind, _ in find_plugins("linear", "scheduler")] == ["scheduler"]


def test_names_of_libraries_are_found():
    ((kind, found),) = find_plugins("torch:RAdam")
    assert (kind, found.offer.name) == ("optimizer", "torch:RAdam")


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("adamm", None, "check: must be a plugin's name or FILE.py, got 'adamm'; did you mean 'adam'?"),
        ("timm:larz", None, "check: must be a plugin's name or FILE.py, got 'timm:larz'; did you mean 'timm:lars'?"),
        ("yogi", None, "check: must be a plugin's name or FILE.py, got 'yogi'; did you mean 'pytorch_optimizer:Yogi'?"),
        (
            "adam(sgd)",
            None,
            "check: must name an optimizer that goes around another, got 'adam' in 'adam(sgd)'; these do: ",
        ),
        ("cosine", "optimizer", "check: must name an optimizer, got 'cosine'"),
        ("torch:SparseAdam", None, "it takes sparse gradients only"),
        ("zzz", None, "check: must be a plugin's name or FILE.py, got 'zzz'; 'harness list' names all plugins"),
        ("zzz", "optimizer", "check: must name an optimizer, got 'zzz'; there is adagrad, adam, adamw, "),
        ("lion", "optimiser", "--kind: must be a kind of plugin, got 'optimiser'; did you mean 'optimizer'?"),
    ],
)
def test_what_is_not_there_is_refused(name, kind, message):
    with pytest.raises(HarnessError) as error:
        find_plugins(name, kind)
    assert message in str(error.value)
    assert isinstance(error.value, UnknownName) or kind == "optimiser"


def test_a_file_that_lies_there_is_named_where_its_name_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "signum.py").write_text("")
    with pytest.raises(UnknownName, match=r"got 'signum'; there is a file 'signum.py': harness check signum.py$"):
        find_plugins("signum")
    with pytest.raises(UnknownName, match=r"there is a file 'signum.py'"):
        find_plugins("signum", "optimizer")


def test_a_file_that_offers_nothing_of_the_kind_is_refused(plugin):
    with pytest.raises(HarnessError, match="must be a file that offers a plugin of kind optimizer"):
        find_plugins(plugin(), "optimizer")


def test_an_optimizer_is_compared_with_a_reference(capsys):
    adam = find_plugins("adam", "optimizer")
    like = find_reference(adam, "torch:AdamW", ["lr=0.01", "beta1=0.8", "weight_decay=0"])
    results = [result for result in run_checks(adam, True, like) if result.check.name == "parity"]
    assert print_results(results, as_json=False) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "parity" in line]
    assert "the steps of torch:AdamW to " in line
    assert "lr=0.01" in line
    assert "beta1=0.8" in line


@pytest.mark.parametrize(
    ("name", "like", "settings", "message"),
    [
        ("lion", "torch:Adamm", [], "--like: must name an optimizer, got 'torch:Adamm'; did you mean 'torch:Adam'"),
        ("cosine", "torch:Adam", [], "--like: must be for an optimizer, got none among the plugins checked"),
        ("lion", None, ["lr=1"], "--set: must go with --like, got 'lr=1' alone"),
        ("lion", "torch:Adam", ["lr"], "--set: must be KEY=VALUE, got 'lr'"),
        ("lion", "torch:Adam", ["bet1=0.9"], "--set: must be a hyperparameter of 'lion' or 'torch:Adam', got 'bet1'"),
    ],
)
def test_a_reference_that_cannot_be_is_refused(name, like, settings, message):
    with pytest.raises(HarnessError) as error:
        find_reference(find_plugins(name), like, settings)
    assert message in str(error.value)


REFERENCES = """
from functools import partial
from torch.optim import Adam, AdamW
from harness import Float, Optimizer, hookimpl

@hookimpl
def harness_optimizers():
    offers = {offers}
    return [Optimizer(name, lambda params, lr: Adam(params, lr=lr), {{"lr": Float(1e-4, 1e-1)}}, {{"lr": 1e-3}}) for name in offers]
"""


def test_the_one_optimizer_of_a_file_can_be_the_reference(tmp_path, capsys):
    file = tmp_path / "reference.py"
    file.write_text(REFERENCES.format(offers=["plain_adam"]))
    adam = find_plugins("adam", "optimizer")
    like = find_reference(adam, str(file), ["lr=0.01"])
    assert like.reference.name == "plain_adam"
    results = [result for result in run_checks(adam, True, like) if result.check.name == "parity"]
    assert print_results(results, as_json=False) == 0


def test_a_file_with_several_optimizers_is_no_reference(tmp_path):
    file = tmp_path / "reference.py"
    file.write_text(REFERENCES.format(offers=["one", "two"]))
    with pytest.raises(HarnessError) as error:
        find_reference(find_plugins("adam", "optimizer"), str(file), [])
    assert str(error.value).startswith("--like: must be a file of one optimizer, got one, two in ")
    assert str(error.value).endswith("; name one of them, and the file with --plugin")


def test_the_reference_may_be_an_older_file_of_the_same_name(tmp_path):
    for folder in ("old", "new"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(REFERENCES.format(offers=["mine"]))
    mine = find_plugins(str(tmp_path / "new/mine.py"))
    like = find_reference(mine, str(tmp_path / "old/mine.py"), [], [tmp_path / "new/mine.py"])
    assert like.reference is not mine[0][1].offer
    assert like.reference.name == "mine"


def test_a_file_with_a_plugin_of_another_kind_is_no_reference(plugin):
    with pytest.raises(HarnessError, match="--like: must be a file of one optimizer, got none in "):
        find_reference(find_plugins("adam", "optimizer"), plugin(), [])


CATALOGUE = """
from functools import partial
from harness import Catalogue, Scheduler, hookimpl

def build(power, optimizer, total_steps):
    from torch.optim.lr_scheduler import LambdaLR
    return LambdaLR(optimizer, lambda step: max(0.0, 1 - step / total_steps) ** power)

def find(name):
    return Scheduler(name, partial(build, int(name[1:])))

@hookimpl
def harness_catalogues():
    return [Catalogue("scheduler", "power", find, lambda: [f"p{i}" for i in range(1, COUNT + 1)])]
"""


def test_every_plugin_of_a_files_catalogue_is_checked(capsys, tmp_path):
    file = tmp_path / "powers.py"
    file.write_text(CATALOGUE.replace("COUNT", "2"))
    code, out = checked(capsys, str(file))
    assert code == 0
    assert [line for line in out.splitlines() if line.startswith("scheduler")] == ["scheduler p1", "scheduler p2"]
    with pytest.raises(HarnessError, match="must be a file that offers a plugin of kind optimizer"):
        find_plugins(str(file), kind="optimizer")


def test_of_a_large_catalogue_one_must_be_named(tmp_path):
    file = tmp_path / "powers.py"
    file.write_text(CATALOGUE.replace("COUNT", "21"))
    with pytest.raises(
        HarnessError, match=r"at most 20 plugins, got a catalogue of 21 .*; check one of them: .*'p1' --plugin"
    ):
        find_plugins(str(file))
    assert [found.offer.name for _, found in find_plugins("p21", files=[file])] == ["p21"]


def test_a_dataset_is_checked_on_the_folder_that_is_named(photos, monkeypatch, tmp_path):
    plugins = find_plugins("folder")
    assert find_data(plugins, None) == {}
    without = {result.check.name: result.outcome for result in run_checks(plugins, quick=True)}
    assert {outcome.status for outcome in without.values()} == {"n/a"}
    assert without["opens"].text.count("--data DIR") == 1
    root = photos()
    monkeypatch.setenv("HARNESS_DATA", str(root))
    outcomes = {r.check.name: r.outcome for r in run_checks(plugins, True, None, find_data(plugins, None))}
    assert {outcome.status for outcome in outcomes.values()} == {"ok"}
    assert outcomes["opens"].text.startswith("train 12, tune 4, test 8; photos in ")
    outcomes = {
        r.check.name: r.outcome for r in run_checks(plugins, True, None, find_data(plugins, root, ["data.tune=0.5"]))
    }
    assert outcomes["splits_are_apart"].status == "ok"  # the photos are the user's, and no fault of the plugin
    assert outcomes["splits_are_apart"].text.startswith("8 examples are equal to one of another split")
    (root / "valid" / "cats" / "cats.1.jpg").write_bytes(b"no photo")
    outcomes = {r.check.name: r.outcome for r in run_checks(plugins, True, None, find_data(plugins, root))}
    assert outcomes["opens"].status == "FAILED"
    assert "1 of 24 unreadable: valid/cats/cats.1.jpg" in outcomes["opens"].text


def test_data_is_for_datasets_that_look_in_a_folder(photos):
    with pytest.raises(HarnessError, match=r"^--data: must be for a dataset that looks in a folder, got none among"):
        find_data(find_plugins("digits"), photos())
    with pytest.raises(HarnessError, match=r"^--set: must be for a dataset that looks in a folder"):
        find_data(find_plugins("sgd"), None, ["data.valid=0.5"])
