"""The executor without workers: it keeps the limit of seconds at the ends of epochs, and measures too."""

from types import SimpleNamespace

from harness_plugins.executors import inprocess

from harness import Done, Epoch, Failed, Measured, Measurement, Staffing


def test_a_run_over_its_limit_of_seconds_ends_after_its_epoch(rig, guarded, carried_out, monkeypatch):
    now = iter(range(0, 10_000, 25))  # every look at the clock is 25 s after the last one
    monkeypatch.setattr(inprocess, "time", SimpleNamespace(monotonic=lambda: float(next(now))))
    (offer,) = inprocess.harness_executors()
    slow, quick = rig.run_of("slow", epochs=5), rig.run_of("quick", epochs=1)
    monkeypatch.setattr(
        rig.loop, "_Saving", lambda: type("Never", (), {"with_state_if_due": lambda self, epoch: epoch})()
    )
    events = carried_out(guarded(offer.build(rig.Rig(Staffing(max_seconds=60), {}.get))), [slow, quick])
    assert [type(event) for event in events[slow.id]] == [Epoch, Epoch, Epoch, Failed]
    assert events[slow.id][-1] == Failed("error", "over its limit of 60 s (train.max_seconds)")
    assert [type(event) for event in events[quick.id]] == [Epoch, Done]


def test_without_a_limit_a_run_takes_as_long_as_it_takes(rig, guarded, carried_out):
    (offer,) = inprocess.harness_executors()
    run, job = rig.run_of("run", epochs=5), Measurement("lengths", "0", (rig.run_of("run"),))
    events = carried_out(guarded(offer.build(rig.Rig(Staffing(), {}.get))), [run, job])
    assert isinstance(events[run.id][-1], Done)
    assert [type(event) for event in events[job.id]] == [Measured]
