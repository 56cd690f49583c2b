"""``harness new benchmark``: the file is right as it stands, and with every key in it taken out of its comment."""

from __future__ import annotations

import re

import pytest

from harness.benchmark.loading import load
from harness.benchmark.meaning import key_meanings
from harness.benchmark.plan import resolve
from harness.benchmark.sections import Benchmark, as_plain
from harness.benchmark.template import SMALL, new_benchmark
from harness.benchmark.toml import to_toml
from harness.cli.app import main
from harness.errors import HarnessError

COMMENTED = re.compile(r"^#(?=[a-z_]+ = |\[)", re.MULTILINE)  # prose has a blank behind its "#"
HEADS = re.compile(r"^#\[heads\..*?(?=^\[)", re.MULTILINE | re.DOTALL)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "first.toml"


def expected():
    plain = as_plain(Benchmark(name="first"))
    for (section, key), value in SMALL.items():
        plain[section][key] = value
    return plain


def test_the_file_is_the_small_run_and_defaults_otherwise(file, registry):
    file.write_text(new_benchmark("first"), encoding="utf-8")
    benchmark, source = load(file)
    assert as_plain(benchmark) == expected()
    assert source.notices == ()
    plan = resolve(benchmark, source, registry)
    assert [competitor.name for competitor in plan.competitors] == ["lesson_cnn/sgd/cosine", "lesson_cnn/adam/cosine"]


def test_every_commented_default_is_the_default(file, registry):
    text = COMMENTED.sub("", HEADS.sub("", new_benchmark("first")))
    file.write_text(re.sub(r'^(probe_)?budget = (3?600\.0|"1h30m")\n', "", text, flags=re.MULTILINE), encoding="utf-8")
    benchmark, source = load(file)
    assert as_plain(benchmark) == expected()
    assert resolve(benchmark, source, registry)


def test_every_key_is_there(file):
    """As a line of its own, with a value: its default, or an example where there is none."""
    text = new_benchmark("first")
    for key, field, meaning in key_meanings(Benchmark):
        if key == ("heads",):
            continue
        section = ".".join(key[:-1]).replace("*", "linear")
        lines = text.partition(f"[{section}]\n")[2] if section else text
        lines = re.split(r"^#?\[", lines, maxsplit=1, flags=re.MULTILINE)[0]
        value = SMALL.get(key, meaning.example if field.default is None else field.default)
        value = "first" if key == ("name",) else value
        assert re.search(rf"^#?{re.escape(f'{key[-1]} = {to_toml(value)}')}$", lines, re.MULTILINE), key


def test_the_settings_of_a_head_are_right_where_heads_are_trained(file):
    text = new_benchmark("first")
    heads = COMMENTED.sub("", HEADS.search(text)[0])
    features = text.replace('#regime = "scratch"', 'regime = "features"')
    file.write_text(features.replace(HEADS.search(text)[0], heads), encoding="utf-8")
    benchmark, _ = load(file)
    assert benchmark.of_head("linear").compare.epochs == 300


def test_an_example_in_the_prose_is_right_in_the_place_of_its_default(file):
    """But for those that need another key: an alias that is entered, a regime, a pruner, a plugin or a file."""
    text = new_benchmark("first")
    examples = re.findall(r"^# For example: ((\w+) = .+)\n(#?\w+ = .+)$", text, re.MULTILINE)
    needing = {"plugins", "block", "exclude", "aliases", "layer_factor", "pruner_options", "file", "arms"}
    assert needing < {name for _, name, _ in examples}
    for example, name, default in examples:
        if name not in needing:
            file.write_text(text.replace(f"# For example: {example}\n{default}\n", f"{example}\n"), encoding="utf-8")
            assert load(file)


@pytest.mark.parametrize("name", ["", "-first", "a b", "a/b", "../first", "x" * 65, "ä"])
def test_a_bad_name_is_refused_in_one_line(name):
    with pytest.raises(
        HarnessError, match=r"^new: must be a name of up to 64 letters, .*got '.*'; take another name$"
    ) as caught:
        new_benchmark(name)
    assert "\n" not in str(caught.value)


def command(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        main(["new", *words])
    return ended.value.code, *capsys.readouterr()


def test_the_command_writes_a_file_that_is_never_overwritten(tmp_path, capsys):
    code, out, err = command(capsys, "benchmark", "first", "--out", str(tmp_path / "new"))
    file = tmp_path / "new" / "first.toml"
    assert (code, err) == (0, "")
    assert out.splitlines() == [f"wrote {file}", "next:", f"  harness plan {file}", f"  harness run {file}"]
    assert file.read_text(encoding="utf-8") == new_benchmark("first")
    file.write_text("mine")
    code, out, err = command(capsys, "benchmark", "first", "--out", str(tmp_path / "new"))
    assert (code, out, file.read_text()) == (2, "", "mine")
    assert err == f"error: new: must be a new file, got '{file}', which exists; take another name or --out DIR\n"
    code, _, err = command(capsys, "benchmark", "second", "--package", "--out", str(tmp_path))
    assert (code, err.count("\n")) == (2, 1)
    code, _, err = command(capsys, "benchmark", "a/b", "--out", str(tmp_path))
    assert (code, err.count("\n")) == (2, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
