"""The commands that measure what is missing, typed as they stand: under the same protocol, and nothing is trained."""

from __future__ import annotations

import html
import re
import shlex

import pytest

from harness.cli.app import main
from harness.records import open_records
from harness.running.after.probing import Probing
from harness.verdict.protocol import standing_protocol

OPTIONS = "options = { train = 64, tune = 32, test = 64 }"
CHANGES = (
    ('name = "tiny"', 'name = "moons"'),
    (f"size = 16\n{OPTIONS}", f'dataset = "moons"\n{OPTIONS}'),
    ("[train]", '[train]\nbackbones = ["linear"]'),
    ("batch_size = 16", "batch_size = 64"),
    ("epochs = [1, 2]", "epochs = [1]"),
    ("seeds = 2", "seeds = 1\nuntuned = 0\ngate = false\nprobes = []"),
    ("looks = [1]", "looks = [2]\n[compare.probe_options.sharpness]\nimages = 32"),
    ('formats = ["text"]', 'formats = ["html"]'),
    (
        "paths = false\n",
        """paths = false
[profiles.walked.compare]
probes = ["connectivity"]
probe_options = { connectivity = { alphas = 3, bn_images = 16 } }
""",
    ),
)  # of the tiny benchmark
MEASURES = re.compile(r"harness run [^\n]*? --only-measure")


@pytest.fixture
def typed(benchmark_file, tmp_path, monkeypatch, capsys):
    """Return a function that types a command line in an empty folder, and returns what it printed."""
    monkeypatch.chdir(tmp_path)
    file = benchmark_file(*CHANGES, name="moons.toml")

    def call(line):
        """The page takes most of a call's time, so the first one alone writes it."""
        if list(tmp_path.glob("runs/*/report.html")):
            benchmark_file(*CHANGES, ('["html"]', '["text"]'), name=file.name)
        name, *words = shlex.split(line)
        assert name == "harness"
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert not ended.value.code
        return capsys.readouterr().out.replace("\n  ", " ")

    return call


@pytest.mark.usefixtures("undrawn")
def test_the_command_of_the_console_and_of_the_page_measure_under_the_same_protocol(typed, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Probing, "_has_room", lambda self, many, each: False)  # the limit has room for training alone
        out = typed("harness run moons.toml --profile walked --out runs --set search.trials=1 --time-limit 24h")
    (folder,) = (path for path in (tmp_path / "runs").iterdir() if path.is_dir())
    before = open_records(folder)
    assert len(before.meta.protocols) == 1
    (console,) = set(MEASURES.findall(out))
    assert console in typed(f"harness status {folder}")
    typed(console)
    after = open_records(folder)
    assert set(after.measured["probe"]) == {"connectivity"}
    assert not any(probe["left_out"] for probe in after.meta.probes.values())

    page = re.sub(r"<[^>]+>", "", (folder / "report.html").read_text(encoding="utf-8"))
    of_page = {match for match in MEASURES.findall(html.unescape(page)) if "sharpness" in match}
    assert of_page
    for command in sorted(of_page)[:1]:
        assert command in typed(f"harness show {folder}")
        typed(command)
    whole = open_records(folder)
    assert {"connectivity", "sharpness"} <= set(whole.measured["probe"])
    assert whole.meta.protocols == before.meta.protocols
    assert standing_protocol(whole.meta).protocol.hash == before.meta.protocols[0]["hash"]
    assert len(whole.runs) == len(before.runs)
    assert whole.meta.looks == before.meta.looks
    assert "--only-measure" not in whole.meta.command
