"""What the pages tell a reader to type works: commands, benchmark files and Python, on every page.

A new example needs no entry here. It is parsed by the real command line, and it is run, unless ``NOT_RUN`` or
``RUN_ELSEWHERE`` says why it is not.
"""

from __future__ import annotations

import re
import shlex
import shutil
import tomllib
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

from harness.benchmark.installed import installed_benchmarks
from harness.benchmark.loading import load, load_workloads
from harness.benchmark.plan import check_profile, resolve
from harness.cli.app import app, main
from harness.plugin.discovery import discover

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([*ROOT.glob("docs/*.md"), *ROOT.glob("*.md")])
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LANGUAGES = {"python", "toml", "text"}  # "text" is an output or a sketch
GROUP = typer.main.get_command(app)

FLAGSHIP = "17 min on two quiet cores (docs/performance.md)"
TOO_LONG = {
    "run tiny": "one to two minutes on two quiet cores",
    "run dogscats": FLAGSHIP,
    "run dogscats --out": FLAGSHIP,
    "run dogscats --open": FLAGSHIP,
    "run dogscats --only-measure": f"as long as what is missing: up to a third of {FLAGSHIP}",
    "watch RUN": "goes on until Ctrl-C; tests/results/test_live.py starts it beside a run",
    "run dogscats --extend": f"the searches of a finished flagship again; a part of {FLAGSHIP}",
    "run dogscats --plugin": f"about as long as the flagship: {FLAGSHIP}",
    "run dogscats --profile verdict": "up to four times the flagship, look by look",
    "run dogscats --profile photos": "23 min on two cores with 1,950 photos, as 'harness plan' says",
    "run dogscats --data path": f"photos at 64 px: longer than the flagship's {FLAGSHIP}",
    "run dogscats --data dirty": f"five folds and one replicate; less than {FLAGSHIP}",
    "run dogscats --set train.executor=ray": f"the flagship on a cluster; {FLAGSHIP}",
    "run dogscats --set train.optimizers": f"one replicate of two arms; less than {FLAGSHIP}",
    "run suite": "hours on two cores; 'harness plan suite' says how many",
    "run suite --profile quick": "ten minutes on two cores (benchmarks/suite.toml)",
    "run suite --workload": "an eighth of the suite",
    "run FILE.toml --extend": "as long as the reader's own file",
    "run mine.toml --plugin": "as long as the reader's own file",
    "run dogscats --time-limit": "an hour, as it says",
    "run dogscats --refit": FLAGSHIP,
    "run dogscats --refit-arm": FLAGSHIP,
    "lr-find dogscats": "27 s on two cores",
    "lr-find dogscats --data": "27 s on two cores, and the photos are decoded",
    "check unit.py": "up to half a minute; test_plugins_page.py checks the page's own file",
    "data inspect --plugin": "downloads; tests/docs/test_data_page.py runs the page's plugins",
    "check mnist.py --data": "downloads; tests/docs and tests/plugins/test_own_data.py have the page's plugins",
    "check mylion.py --like": "up to half a minute; tests/testing compares with references",
    "check mylion.py": "up to half a minute; tests/cli/test_new.py checks what 'harness new' writes",
    "check lion --plot": "up to half a minute; tests/cli/test_check.py draws",
}  # by a command, or its beginning up to an option: the time for which it is not run here; file, profile, settings and plugins are resolved
NOT_RUN = ("run", "lr-find", "check", "data get", "watch")  # commands that train for minutes, download, or go on
DOWNLOADING = {"mnist.py"}  # words of commands that download
DRAWN = {"pdf,pgf,svg"}  # words of commands whose figures are drawn here; the others leave theirs empty
RUN_ELSEWHERE = {
    "README.md": "test_plugins_page.py runs the plugin",
    "docs/plugins.md": "test_plugins_page.py runs every plugin",
    "docs/looking.md": "tests/running/test_photos.py runs the script",
}  # by page: where its Python is run
WORKLOAD = """
[[workload]]
name = "points"
[workload.data]
dataset = "moons"
options = { train = 32, tune = 32, test = 64 }
[workload.train]
backbones = ["mlp"]
"""  # what makes a small benchmark one of several workloads
READERS = (Path("FILE.toml"), Path("mine.toml"))  # files of the reader's own
NOT_A_BENCHMARK = "[project.entry-points.harness]"  # the first line of a block of another program's file


@dataclass(frozen=True)
class Command:
    """A command of a page: its words after ``harness``."""

    words: tuple[str, ...]

    @property
    def name(self) -> str:
        """``run``, or ``data inspect``."""
        return " ".join(self.words[: 2 if self.words[0] in ("data", "baseline") else 1])

    @property
    def is_run(self) -> bool:
        """Whether the pages' tests run it, on a tiny finished run, a tiny benchmark or a few photos."""
        downloads = not DOWNLOADING.isdisjoint(self.words)
        return not downloads and (self.name not in NOT_RUN or (self.name == "check" and "--quick" in self.words))

    def parsed(self) -> dict[str, object]:
        """Return the command's parameters by name; raises what the command line says of a wrong one."""
        group, words = GROUP, list(self.words)
        while hasattr(group, "commands"):
            group = group.commands[words.pop(0)]
        with group.make_context(self.name, words) as context:
            return context.params


def examples(page):
    """Return the commands that stand on lines of their own, in order."""
    text = (ROOT / page).read_text().replace("\\\n", " ")
    indented = [line[4:] for line in FENCE.sub("", text).splitlines() if line.startswith("    ")]
    fenced = [line for language, body in FENCE.findall(text) if language == "text" for line in body.splitlines()]
    typed = [part.strip() for line in (*indented, *fenced) for part in line.removeprefix("$ ").split("&&")]
    matches = [re.fullmatch(r"(?:[A-Z_]+=\S+ )*harness ([a-z].*)", line) for line in typed]
    return [Command(tuple(shlex.split(match[1], comments=True))) for match in matches if match]


def mentions(page):
    """Return the commands in the prose, which may leave out arguments and name choices, as in ``harness show RUN [--json]``."""
    prose = FENCE.sub("", (ROOT / page).read_text())
    return re.findall(r"`harness ((?!\.)[a-z][^`\n]*)`", prose)


def blocks(page, language):
    return [body for label, body in FENCE.findall((ROOT / page).read_text()) if label == language]


@pytest.fixture
def desk(finished, photos, tmp_path, monkeypatch):
    """Return a function that puts files in the place of the words that stand for a reader's own, in a folder to work in."""
    monkeypatch.setattr("harness.running.forecast.timing.SECONDS_PER_ARM", 0.05)
    folder = tmp_path / "desk"
    folder.mkdir()
    monkeypatch.chdir(folder)
    tiny = finished.parent.parent / "tiny.toml"
    suite = folder.parent / "suite.toml"
    suite.write_text(tiny.read_text() + WORKLOAD)
    root = photos()
    unlabelled = root / "valid" / "cats"
    birds = folder.parent / "birds"
    shutil.copytree(root / "train", birds)
    places = [file.relative_to(birds) for file in sorted(birds.rglob("*.jpg"))]
    rows = [f"{place.as_posix()},{place.parent.name}" for place in places]
    (birds / "labels.csv").write_text("\n".join(["path,label", *rows]), encoding="utf-8")
    files = {
        "birds": birds, "FOLDER_OR_ZIP": unlabelled, "test1.zip": unlabelled, "new-photos": unlabelled, "DIR": root, "path/to/dogscats": root, "dogscats-kaggle-96px": root,
        "dogscats": tiny, "suite": suite, "mine.toml": tiny,
    }  # fmt: skip

    def replaced(word):
        if (word == "RUN" or word.startswith("runs/")) and not (folder / word).exists():
            shutil.copytree(finished, folder / word)
        if word == "runs" and not (folder / word).exists():
            shutil.copytree(finished, folder / word / finished.name)
        return str(files.get(word, word))

    return lambda words: [replaced(word) for word in words]


def test_the_pages_have_commands():
    """Else the pages are written in a way that this module does not read."""
    assert len([command for page in NAMES for command in examples(page)]) >= 40
    assert len([mention for page in NAMES for mention in mentions(page)]) >= 60


@pytest.mark.parametrize("page", NAMES)
def test_every_fence_says_its_language(page):
    assert {language for language, _ in FENCE.findall((ROOT / page).read_text())} <= LANGUAGES


@pytest.mark.parametrize("page", [page for page in NAMES if examples(page)])
def test_every_command_is_one_of_the_command_line(page):
    for command in examples(page):
        assert command.parsed(), command


@pytest.mark.parametrize("page", [page for page in NAMES if mentions(page)])
def test_every_command_in_the_prose_exists_with_its_options(page):
    for mention in mentions(page):
        words = mention.replace("[", "").replace("]", "").split()
        command = GROUP
        while hasattr(command, "commands") and words and not words[0].startswith("-"):
            command = command.commands[words.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts} | {"--help", "-h", "--debug"}
        assert {word.partition("=")[0] for word in words if word.startswith("-")} <= options, mention


def test_what_a_command_trains_is_there(registry, tmp_path):
    """Every file, profile, setting and name of a command on a benchmark of ours is right, as far as no data are needed."""
    plugin = tmp_path / "unit.py"
    plugin.write_text(blocks("README.md", "python")[0])
    with_plugin = discover([plugin])
    commands = {command for page in NAMES for command in examples(page) if command.name in ("run", "plan", "lr-find")}
    assert len(commands) >= 10
    for command in commands:
        chosen = command.parsed()
        if chosen["file"] in READERS:
            continue
        assert all(file.name == plugin.name for file in chosen["plugin"] or ())
        assert str(chosen["file"]) in installed_benchmarks(), command  # so that it works outside of a clone
        for benchmark, source in benchmarks(chosen["file"], chosen["profile"], chosen["set_"] or ()):
            check_names(benchmark, source, with_plugin if chosen["plugin"] else registry)


def benchmarks(file, profile=None, overrides=()):
    """Return the benchmark of a file, or those of its workloads, each with its source."""
    workloads = load_workloads(file, profile, overrides)
    if workloads is None:
        return [load(file, profile, overrides)]
    return list(zip(workloads.benchmarks, workloads.sources, strict=True))


def check_names(benchmark, source, registry):
    """Raise what a run would say of a benchmark before it opens data or looks for weights."""
    if benchmark.train.regime == "scratch":
        resolve(benchmark, source, registry)
    check_profile(benchmark, source, registry)
    for name, values in benchmark.search.space.items():
        entered = benchmark.train.aliases.get(name, name)
        kind = "scheduler" if entered in registry.offers["scheduler"] else "optimizer"
        offer = registry.find(kind, entered, name).offer
        assert set(values) <= {*offer.space, *offer.defaults, *offer.limits}, f"[search.space.{name}]"


@pytest.mark.parametrize("page", [page for page in NAMES if any(command.is_run for command in examples(page))])
def test_every_other_command_of_a_page_runs(page, desk, capsys, undrawing):
    for command in examples(page):
        if command.is_run:
            drawing = undrawing() if set(command.words).isdisjoint(DRAWN) else nullcontext()
            with drawing, pytest.raises(SystemExit) as ended:
                main(desk(command.words))
            assert ended.value.code == 0, (command, capsys.readouterr().err)


@pytest.fixture(scope="module")
def authors(tmp_path_factory):
    """The registry of an author who has written ``unit`` and ``mine``."""
    (source,) = blocks("README.md", "python")
    files = [tmp_path_factory.mktemp("author") / f"{name}.py" for name in ("unit", "mine")]
    for file in files:
        file.write_text(source.replace('"unit"', f'"{file.stem}"'))
    return discover(files)


@pytest.mark.parametrize("page", [page for page in NAMES if blocks(page, "toml")])
def test_every_block_of_toml_is_a_benchmark_file(page, authors, tmp_path):
    """Whole, or the part of one that the text is about; every key, value and name in it is one that there is."""
    for text in blocks(page, "toml"):
        if text.startswith(NOT_A_BENCHMARK):
            assert tomllib.loads(text)["project"]["entry-points"]["harness"]
            continue
        file = tmp_path / "page.toml"
        file.write_text(text if text.startswith("name = ") else f'name = "page"\n{text}')
        for benchmark, source in benchmarks(file):
            check_names(benchmark, source, authors)


@pytest.mark.parametrize("page", NAMES)
def test_no_toml_stands_outside_a_block_that_says_so(page):
    text = FENCE.sub("", (ROOT / page).read_text())
    assert re.findall(r"^    \[{1,2}[a-z][\w.-]*\]{1,2}\s*(?:#.*)?$", text, re.MULTILINE) == []


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("page", [page for page in NAMES if blocks(page, "python")])
def test_python_is_run(page, desk, capsys):
    """The blocks of a page follow one another, as in a notebook."""
    names = {"__name__": "page"}
    for text in blocks(page, "python"):
        code = compile(text, page, "exec")
        if page not in RUN_ELSEWHERE:
            for folder in re.findall(r'"(runs/[\w-]+)"', text):
                desk([folder])
            for word, place in re.findall(r'"((mine\.toml)|path/to/photos)"', text):  # which calls name as they stand
                copy_for_reader(desk, word, place)
            exec(code, names)


def copy_for_reader(desk, word, benchmark):
    """Put a reader's own file in its place: a benchmark whose run is finished, or a folder of photos."""
    if benchmark:
        shutil.copy(desk([word])[0], word)
        desk(["runs"])
    elif not Path(word).exists():
        shutil.copytree(desk(["FOLDER_OR_ZIP"])[0], word)


def test_nothing_is_listed_that_is_not_on_a_page():
    names = {command.name for page in NAMES for command in examples(page)}
    names |= {mention for page in NAMES for mention in mentions(page)}
    assert [name for name in NOT_RUN if not any(words.startswith(name) for words in names)] == []
    assert all(blocks(page, "python") for page in RUN_ELSEWHERE)


def test_every_command_that_is_not_run_is_named_with_its_time():
    commands = [" ".join(command.words) for page in NAMES for command in examples(page) if not command.is_run]
    named = {command: [key for key in TOO_LONG if stands_for(key, command)] for command in commands}
    assert [command for command, keys in named.items() if not keys] == []
    assert sorted(set(TOO_LONG) - {key for keys in named.values() for key in keys}) == []


def stands_for(key, command):
    """Return whether an entry of ``TOO_LONG`` is for a command: the whole of it, or its beginning up to an option."""
    return command == key or (" --" in key and command.startswith(key))
