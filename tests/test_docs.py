"""What the pages say is true: every example is run, every hook has a heading."""

from __future__ import annotations

import re

import pytest

from harness import hookspecs
from harness.config import load
from harness.registry import discover
from harness.show import show

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


def test_every_hook_has_a_heading_and_an_example(repository, blocks):
    page = (repository / "docs" / "plugins.md").read_text()
    hooks = {name for name in vars(hookspecs) if name.startswith("harness_")}
    assert set(re.findall(r"^## (harness_\w+)$", page, re.MULTILINE)) == hooks
    for hook in hooks:
        assert any(f"def {hook}(" in file.read_text() for file in blocks("docs/plugins.md", "python")), hook


def test_every_example_of_the_plugin_page_takes_part_in_a_run(blocks, benchmark_file, tmp_path):
    from harness.progress import Reporter
    from harness.run import Request, run

    file = benchmark_file(
        ("[data]\nsize = 16\noptions = { train = 64, tune = 32, test = 64 }", '[data]\ndataset = "clouds"'),
        (
            'optimizers = ["sgd", "adam"]',
            (
                'task = "logistic"\nexecutor = "stack"\nbackbones = ["pixels", "mlp16"]\nschedulers = ["line"]\n'
                'optimizers = ["mylion"]'
            ),
        ),
        ("epochs = 2\n", "epochs = 40\n"),
        (
            "[compare]",
            (
                "[search.space.mylion]\nlr = { low = 1e-2, high = 3e-2, log = true }\n"
                '[report]\nformats = ["csv", "html"]\n[compare]\nprobes = ["weights", "gradient_norm"]'
            ),
        ),
    )
    plugins = tuple(blocks("docs/plugins.md", "python"))
    assert run(Request(file, out=tmp_path / "runs", plugins=plugins), Reporter(quiet=True)) == 0
    (folder,) = (tmp_path / "runs").iterdir()
    arms = show(folder)["arms"]
    assert [arm["arm"] for arm in arms] == ["pixels/mylion/line", "mlp16/mylion/line"]
    for arm in arms:
        for seed in arm["seeds"]:
            assert seed["metrics"]["test_accuracy"] > 0.85
            assert seed["metrics"]["weights.length"] > 0
    assert (folder / "report.csv").read_text().startswith("arm,")
    assert (folder / "tables" / "cost.parquet").is_file()
    assert "mylion" in (folder / "report.html").read_text()


def test_the_readmes_plugin_and_benchmark_are_whole(blocks, benchmark_file, tmp_path):
    from harness.progress import Reporter
    from harness.run import Request, run

    (plugin,) = blocks("README.md", "python")
    assert "signsgd" in discover([plugin]).found["optimizer"]
    file = benchmark_file(('"sgd", "adam"', '"sgd", "signsgd"'))
    assert run(Request(file, out=tmp_path / "runs", plugins=(plugin,)), Reporter(quiet=True)) == 0
    (benchmark,) = blocks("README.md", "toml")
    assert load(benchmark)[0].name == "mine"
