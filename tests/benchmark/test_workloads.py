"""[[workload]] tables: what is laid over what, and one line with the place for whatever is wrong."""

from __future__ import annotations

import pytest

from harness.benchmark.loading import load, load_workloads
from harness.benchmark.sections import as_plain, identity
from harness.benchmark.toml import read
from harness.errors import BenchmarkError

TWO = """\
name = "both"
[data]
dataset = "drawings"
size = 16
options = { train = 64, tune = 32, test = 64 }
[train]
optimizers = ["sgd", "adam"]
[search]
trials = 3
epochs = [1, 2]
[compare]
looks = [1]
epochs = 2

[[workload]]
name = "small"

[workload.data]
size = 8

[[workload]]
name = "points"
optional = true

[workload.data]
dataset = "moons"
options = { noise = 0.1 }

[workload.train]
backbones = ["mlp"]

[profiles.short.search]
trials = 1
[profiles.short.data]
size = 24
"""


@pytest.fixture
def file(tmp_path):
    def write(*replacements, text=TWO):
        for old, new in replacements:
            assert old in text, old
            text = text.replace(old, new)
        path = tmp_path / "both.toml"
        path.write_text(text)
        return path

    return write


def test_each_workload_is_the_file_with_its_own_tables_over_it(file):
    found = load_workloads(file())
    small, points = found.benchmarks
    assert found.name == "both"
    assert [workload.name for workload in found.workloads] == ["small", "points"]
    assert [workload.optional for workload in found.workloads] == [False, True]
    assert (small.name, small.data.dataset, small.data.size) == ("small", "drawings", 8)
    assert small.data.options == {"train": 64, "tune": 32, "test": 64}
    assert (points.name, points.data.dataset, points.train.backbones) == ("points", "moons", ["mlp"])
    assert small.search == points.search
    assert load_workloads(file(text='name = "plain"\n')) is None


def test_options_of_the_files_own_dataset_are_left_out_where_a_workload_takes_another(file):
    points, source = load(file(), workload="points")
    assert points.data.options == {"noise": 0.1}
    (notice,) = source.notices
    assert notice.startswith(
        "the file's settings data.options.train, data.options.tune, data.options.test are left out"
    )


def test_a_workload_is_the_benchmark_that_a_file_of_its_own_would_be(file, tmp_path):
    small, _ = load(file(), workload="small")
    alone = TWO.split("[[workload]]")[0].replace('"both"', '"small"').replace("size = 16", "size = 8")
    (tmp_path / "alone.toml").write_text(alone)
    assert as_plain(small) == as_plain(load(tmp_path / "alone.toml")[0])


def test_profiles_and_set_lie_over_every_workload_in_this_order(file):
    found = load_workloads(file(), "short", ("search.seeds=2",))
    for benchmark in found.benchmarks:
        assert (benchmark.search.trials, benchmark.search.seeds, benchmark.data.size) == (1, 2, 24)
    assert load(file(), "short", ("data.size=32",), "small")[0].data.size == 32
    assert load_workloads(file(), None, ("name=other",)).name == "other"


def test_the_common_folder_has_another_name_where_a_workload_is_another_and_the_same_with_other_totals(file):
    name = load_workloads(file()).folder_name
    assert name.startswith("both-")
    assert load_workloads(file(), None, ("search.trials=9", "compare.looks=[2]")).folder_name == name
    assert load_workloads(file(("size = 8", "size = 12"))).folder_name != name
    assert (
        load_workloads(file(("[workload.train]", "[workload.search]\nepochs = [3]\n[workload.train]"))).folder_name
        != name
    )
    small, points = (identity(benchmark) for benchmark in load_workloads(file()).benchmarks)
    assert small != points


def test_every_value_remembers_its_line(file):
    path = file()
    source = read(path, workload="points")
    lines = path.read_text().splitlines()
    written = {"data.dataset": 'dataset = "moons"', "name": 'name = "points"', "search.trials": "trials = 3"}
    for key, line in written.items():
        assert source.where(*key.split(".")) == f"{path}:{lines.index(line) + 1}: {key}"


WRONG = {
    "twice": (('name = "points"', 'name = "small"'), r":22: workload.name: must be another name for each workload, got 'small' twice"),
    "twice, in other letters": (('name = "points"', 'name = "SMALL"'), r"workload.name: must be another name .* got 'SMALL' twice"),
    "without a name": (('name = "points"\n', ""), r":21: workload.name: must be the name of the workload, got none; add name = "),
    "a name that is none": (('name = "points"', "name = 3"), r":22: workload.name: must be the name of the workload, got 3"),
    "a name with a slash": (('name = "points"', 'name = "a/b"'), r":22: name: must be up to 64 letters, .*, got 'a/b'"),
    "an unknown key": (("optional = true", "optoinal = true"), r":23: workload.optoinal: must be a key that a workload may have, got 'optoinal'; did you mean 'optional'"),
    "a section of all": (("optional = true", 'report = { formats = ["csv"] }'), r":23: workload.report: must be a key that a workload may have, got 'report'"),
    "no flag": (("optional = true", "optional = 1"), r":23: workload.optional: must be true or false, got 1"),
    "an unknown key in a section": (("size = 8", "sizes = 8"), r":19: data.sizes: must be a known key, got 'sizes'; did you mean 'size'\? \(in the workload 'small'\)"),
    "a wrong value": (("size = 8", "size = -8"), r":19: data.size: must be a whole number .*, got -8 \(in the workload 'small'\)"),
    "no section": (("[workload.data]\nsize = 8", "data = 8"), r":18: data: must be a table, got 8 \(in the workload 'small'\)"),
    "in a profile": (("[profiles.short.search]", "[[profiles.short.workload]]"), r":32: profiles.short.workload: must stand outside of a profile, got it in one"),
    "wrong in a profile": (("trials = 1", "trials = 0"), r"search.trials: must be .*, got 0 \(in the profile 'short'\) \(in the workload 'small'\)"),
    "one table": (('[[workload]]\nname = "small"', '[workload]\nname = "small"'), None),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_gets_one_line_with_its_place(case, file):
    replacement, words = WRONG[case]
    with pytest.raises(BenchmarkError, match=words) as raised:
        load_workloads(file(replacement))
    assert "\n" not in str(raised.value)


def test_workloads_that_are_no_tables(file):
    head = TWO.split("[[workload]]")[0]
    for value in ("3", '["a"]', "{ name = 'a' }"):
        text = head.replace('name = "both"', f'name = "both"\nworkload = {value}')
        with pytest.raises(BenchmarkError, match=r"both.toml:2: workload: must be tables, \[\[workload\]\], got "):
            load_workloads(file(text=text))
    many = "".join(f'[[workload]]\nname = "w{number}"\n' for number in range(101))
    with pytest.raises(BenchmarkError, match="workload: must be at most 100, got 101"):
        load_workloads(file(text=head + many))


def test_inline_tables_are_workloads_too(file):
    head = TWO.split("[[workload]]")[0]
    text = head.replace(
        'name = "both"', 'name = "both"\nworkload = [{ name = "a", data = { size = 8 } }, { name = "b" }]'
    )
    assert [benchmark.data.size for benchmark in load_workloads(file(text=text)).benchmarks] == [8, 16]


def test_a_workload_must_be_chosen_and_be_there(file):
    with pytest.raises(
        BenchmarkError, match="--workload: must name a workload of the file, got none; it has small, points"
    ):
        load(file())
    with pytest.raises(
        BenchmarkError, match="--workload: must name a workload of the file, got 'smal'; did you mean 'small'"
    ):
        load(file(), workload="smal")
    with pytest.raises(BenchmarkError, match=r"--workload: .*, got 'small'; the file has none"):
        load(file(text='name = "plain"\n'), workload="small")


def test_the_suite_has_six_workloads_that_need_no_files(repository):
    found = load_workloads(repository / "benchmarks" / "suite.toml", "quick")
    needed = [workload.name for workload in found.workloads if not workload.optional]
    assert len(needed) == 6
    datasets = [benchmark.data.dataset for benchmark in found.benchmarks]
    assert datasets == ["drawings", "drawings", "digits", "digits", "diabetes", "moons", "folder", "folder"]
