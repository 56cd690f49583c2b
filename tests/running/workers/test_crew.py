"""Runs side by side in one process: the same tables as one after the other, and each ends by itself."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from harness.console.progress import Reporter
from harness.plugin.process_settings import take_notes
from harness.plugin.runs import Done, Epoch, Failed
from harness.running.prepare import Request
from harness.running.start import run
from harness.running.workers.crew import Crew
from harness.running.workers.messages import Assignment, Happened, PutBack
from harness.testing.tape import NoRecorder, TapeRecorder

HERE = Path(__file__).parent


# --- a crew of jobs that train nothing ----------------------------------------------------------------------------


def epoch(number: int) -> Epoch:
    return Epoch(number, number, 0.1, 0.1, {}, None)


def crew_of(**jobs):
    """Return a crew with jobs by name, each a list of what its turns give; what is callable is called in its turn."""

    def begin(given):
        for item in jobs[given.job.id]:
            yield item() if callable(item) else item

    crew = Crew(begin)
    for name in jobs:
        crew.take(Assignment(SimpleNamespace(id=name), alone=False))
    return crew


def said(crew: Crew, turns: int = 20):
    """Return what a crew says in some turns: the job, and the event or the message."""
    messages = [message for _ in range(turns) for message in crew.turn()]
    return [(one.job_id, one.event if isinstance(one, Happened) else one) for one in messages]


def test_jobs_have_their_turns_one_after_the_other():
    crew = crew_of(a=[None, epoch(1), Done()], b=[epoch(1), None, epoch(2), Done()])
    assert said(crew, 1) == [("b", epoch(1))]
    assert said(crew, 1) == [("a", epoch(1))]
    assert said(crew, 1) == [("a", Done()), ("b", epoch(2))]
    assert said(crew, 1) == [("b", Done())]
    assert len(crew) == 0


def test_a_job_that_fails_ends_alone():
    crew = crew_of(a=[None, Failed("error", "optimizer 'a': must step")], b=[None, None, epoch(1), Done()])
    assert said(crew) == [("a", Failed("error", "optimizer 'a': must step")), ("b", epoch(1)), ("b", Done())]


def test_a_job_can_be_left_and_another_taken_between_turns():
    crew = crew_of(a=[epoch(1), epoch(2), Done()], b=[epoch(1), Done()])
    assert [job for job, _ in said(crew, 1)] == ["a", "b"]
    assert crew.leave("a")
    assert not crew.leave("a")
    crew.take(Assignment(SimpleNamespace(id="b"), alone=False))  # b again, from its beginning
    assert said(crew) == [("b", epoch(1)), ("b", Done())]


def test_a_job_that_is_left_in_the_middle_of_a_turn_has_no_more_turns():
    crew = crew_of(a=[epoch(1), epoch(2)], b=[epoch(1), epoch(2)])
    turn = crew.turn()
    assert next(turn).job_id == "a"
    crew.leave("b")
    assert list(turn) == []


@pytest.mark.parametrize(
    "failure",
    [
        Failed("error", "backbone 'x': must map, got OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"),
        Failed("error", "optimizer 'x': must step", "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED"),
    ],
)
def test_a_job_for_which_there_is_no_memory_beside_others_is_put_back_and_the_crew_made_smaller(failure):
    crew = crew_of(a=[None, None, None, Done()], b=[None, None, Done()], c=[None, failure])
    ((job, message), *others) = said(crew)
    assert (job, type(message), message.places, message.alone) == ("c", PutBack, 2, False)
    assert others == [("b", Done()), ("a", Done())]


def test_a_job_without_memory_that_is_alone_has_failed():
    failure = Failed("error", "CUDA out of memory")
    assert said(crew_of(a=[None, failure])) == [("a", failure)]


def test_a_job_that_replaces_functions_is_put_back_to_be_alone_before_any_other_has_its_turn():
    seen = []
    real = torch.nn.functional.relu

    def replace():
        torch.nn.functional.relu = torch.nn.functional.gelu

    def look():
        seen.append(torch.nn.functional.relu is real)

    def begin(given):
        from harness.plugin.process_settings import kept_apart

        items = iter([replace, None, Done()]) if given.job.id == "a" else iter([look, Done()])
        called = (item() if callable(item) else item for item in items)
        yield from (item for item, _ in kept_apart(called, "a job"))

    crew = Crew(begin)
    for name in "ab":
        crew.take(Assignment(SimpleNamespace(id=name), alone=False))
    try:
        ((job, message), *_) = said(crew)
    finally:
        replaced, torch.nn.functional.relu = torch.nn.functional.relu is not real, real
        take_notes()  # the change was noted for the next report
    assert (job, message.alone) == ("a", True)
    assert message.reason == "it has replaced torch.nn.functional.relu, which all runs of a crew share"
    assert (replaced, seen) == (False, [True])


def test_a_job_that_is_alone_may_replace_functions():
    crew = crew_of()
    crew._begin = lambda given: iter([Done()])
    crew.take(Assignment(SimpleNamespace(id="a"), alone=True))
    assert next(crew._members["a"].turns) == Done()


# --- a whole benchmark --------------------------------------------------------------------------------------------

WAYS = {"inprocess": "", "a crew of 1": "1", "a crew of 8": "8"}


@pytest.fixture(scope="module")
def contents():
    """The rows of every table of a run folder, without times and surroundings; of files also their checksums."""
    spec = importlib.util.spec_from_file_location("crew_campaign", HERE.parents[1] / "hostile" / "campaign.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.contents


@pytest.fixture
def carried_out(benchmark_file, tmp_path, monkeypatch, contents, unreported):
    """Return a function that carries a benchmark out in a way and returns its tables, and the lines it said."""
    monkeypatch.setattr("harness.training.parts.recorder_for", lambda turn: recorder_of(turn)())

    def carry_out(way, *replacements, code=0, **request):
        crew = WAYS[way]
        monkeypatch.setenv("CREW", crew)
        file = benchmark_file(*replacements)
        out = tmp_path / way
        plugins = (HERE / "together.py",) if crew else ()
        executor = f"train.executor='{'together' if crew else 'inprocess'}'"
        asked = Request(file, out=out, plugins=plugins, overrides=(executor,), no_reuse=True, **request)
        assert run(asked, Reporter(quiet=True)) == code
        (folder,) = out.iterdir()
        return contents(folder)

    return carry_out


def recorder_of(turn):
    """Return what takes the place of graphs: a tape on a CPU, and nothing on a GPU, so that all steps are eager there."""
    return NoRecorder if turn.device.type == "cuda" else TapeRecorder


def differences(one, other):
    """Return the rows by table that only one of two has; ``meta`` has the benchmark, which names the executor."""
    tables = [table for table in one if table != "meta"]
    return {table: set(one[table]) ^ set(other[table]) for table in tables if one[table] != other[table]}


def test_crews_of_one_and_of_eight_give_the_tables_of_one_run_after_the_other(carried_out):
    more = (
        ("[compare]", '[compare]\nprobes = ["gradient_norm", "distance"]'),
        ("trials = 3", "trials = 4\ntogether = 2"),
        ("seeds = 2", "seeds = 2\nuntuned = 0"),
    )
    tables = {way: carried_out(way, *more) for way in WAYS}
    assert len(tables["inprocess"]["runs"]) > 8
    assert differences(tables["inprocess"], tables["a crew of 1"]) == {}
    assert differences(tables["a crew of 1"], tables["a crew of 8"]) == {}


# --- on a GPU -----------------------------------------------------------------------------------------------------


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("optimizers", "train"),
    [
        (["sgd", "adam", "rmsprop", "adamw", "nadam"], ""),  # a whole step is one graph
        (["adagrad", "lion", "muon", "ema", "torch:ASGD", "torch:RAdam"], ""),
        (["sam", "lbfgs"], ""),  # closures
        (["sgd", "adam"], 'augment = ["flip", "crop"]\n'),
        (["sgd", "adam"], "batch_size = 64\n"),  # one batch an epoch
    ],
    ids=["captured", "some captured", "closures", "augmented", "one batch"],
)
def test_on_a_gpu_eager_graphed_and_crewed_runs_have_equal_tables(optimizers, train, carried_out, monkeypatch):
    """``carried_out`` takes every step eagerly until its patch is undone."""
    named = ", ".join(f'"{name}"' for name in optimizers)
    more = [('optimizers = ["sgd", "adam"]', f"optimizers = [{named}]\n{train}"), ("epochs = [1, 2]", "epochs = [4]")]
    more += [("batch_size = 16\n", "")] if "batch_size" in train else []
    eager = carried_out("inprocess", *more, only_search=True)
    monkeypatch.undo()
    graphed = carried_out("a crew of 1", *more, only_search=True)
    crewed = carried_out("a crew of 8", *more, only_search=True)
    assert len(eager["epochs"]) >= 4 * 3 * len(optimizers)
    assert differences(eager, graphed) == {}
    assert differences(graphed, crewed) == {}
