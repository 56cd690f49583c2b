"""What a run would take, in lines for a person: those of ``harness plan`` and of ``harness.plan``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.console.numbers import counted, duration
from harness.errors import disk
from harness.running.machine import machine_line
from harness.verdict.protocol import POWER_UNKNOWN


def estimate_lines(document: Mapping[str, Any]) -> list[str]:
    """Return the estimate of a benchmark, or of several workloads, for a person."""
    return _lines_of_all(document) if "workloads" in document else lines(document)


def _lines_of_all(document: Mapping[str, Any]) -> list[str]:
    """Return the estimate of several workloads for a person."""
    out = []
    for row in document["workloads"]:
        out.append(f"workload {row['workload']}")
        out += [f"  left out: {row['problem']}"] if "problem" in row else [f"  {line}" for line in lines(row)]
    opened = sum("problem" not in row for row in document["workloads"])
    room = disk.size(document["bytes"])
    counts = f"{counted(opened, 'workload')}, {counted(document['runs'], 'run')}"
    line = f"in all {counts}, about {duration(document['seconds_wall'])} and {room} in {document['folder']}"
    return [*out, line + (" (already begun)" if document["exists"] else "")]


def lines(document: Mapping[str, Any]) -> list[str]:
    """Return the estimate for a person."""
    from harness.data.places import cache_folder
    from harness.running.after.probe_costs import probe_line

    machine = machine_line(document["environment"]["hardware"], document["precisions"])
    at_once = f", {document['at_once']} at once" if document["at_once"] > 1 else ""
    out = [f"{document['name']}: {counted(document['runs'], 'run')} on {machine}{at_once}"]
    if document["busy"]:
        out.append(f"warning: {document['busy']}")
    out.append(f"data: {document['data']['source']}")
    for run_folder, number in document["taken"].items():
        out.append(f"  up to {counted(number, 'run')} will be taken from {run_folder}, where they were trained before")
    for arm in document["arms"]:
        out += _arm_lines(arm, document["replicates"])
    out += [f"  {probe_line(probe)}" for probe in document["probes"]]
    out += [_power_line(row) for row in document["power"]]
    out.append(f"  the cache holds {disk.size(document['bytes_cached'])} of these data, in {cache_folder()}")
    out.append(f"  this estimate took {duration(document['seconds_planning'])}")
    out.append(_total_line(document))
    out += [_most_line(document)] if document["most"]["replicates"] > document["replicates"] else []
    out += [_budget_line(document)] if document["budget"]["asked"] is not None else []
    return [*out, *([f"warning: {document['little_room']}"] if document["little_room"] else [])]


def _arm_lines(arm: Mapping[str, Any], replicates: int) -> list[str]:
    if arm["problem"]:
        return [f"  {arm['arm']}: cannot be estimated: {arm['problem']}"]
    line = (
        f"  {arm['arm']}: {_budget(arm)}, {counted(arm['seeds'] * replicates, 'seed')}, about {arm['epochs']:.0f} epochs "
        f"at {arm['examples_per_second']:,.0f} examples/s: {duration(arm['seconds'])}, {arm['parameters']:,} parameters"
    )
    controls = [f"{count} {role}" for role, count in arm["comparison"].items() if role != "fresh"]
    return [line, _first_trial_line(arm), *([f"    beside its seeds: {', '.join(controls)}"] if controls else [])]


def _first_trial_line(arm: Mapping[str, Any]) -> str:
    """Return what the first trial of each search of an arm is, and which defaults its space does not contain."""
    from harness.console.numbers import assignments

    line = f"    each search begins with the defaults: {assignments(arm['first_trial'])}"
    moved = assignments({name: default for name, (default, _) in arm["moved_defaults"].items()})
    line = f"{line} (the nearest to {moved})" if moved else line
    for source in dict.fromkeys(arm["read_defaults"].values()):
        names = ", ".join(name for name, place in arm["read_defaults"].items() if place == source)
        line += f"; {names} is read from {source}" if "," not in names else f"; {names} are read from {source}"
    drawn = ", ".join(arm["drawn_first"])
    return f"{line}; no default is known of {drawn}, so a value is drawn" if drawn else line


def _budget(arm: Mapping[str, Any]) -> str:
    trials = counted(arm["trials"], "trial")
    if arm["unit"] != "trials":
        trials = f"{arm['budget']:g} {arm['unit']} of search (about {trials})"
    if arm["confirmations"]:
        trials += f" and {counted(arm['confirmations'], 'confirmation')}"
    return f"{trials} in {arm['searches']} searches" if arm["searches"] > 1 else trials


def _power_line(row: Mapping[str, Any]) -> str:
    design = f"{row['arms']} arms of {row['network']}, {counted(row['replicates'], 'replicate')}"
    remark = "; exploratory: more replicates would show more" if row["exploratory"] else ""
    probability = row["supported_if_identical"]
    if probability is None:
        return f"  {design}: {POWER_UNKNOWN}"
    return f"  power, {design}: identical arms would be called similar with probability {probability:.2f}{remark}"


def _most_line(document: Mapping[str, Any]) -> str:
    """Return what all looks cost at the most."""
    most, looks = document["most"], document["looks"]
    time = duration(most["seconds_wall"])
    if document["at_once"] > 1:
        time = f"{duration(most['seconds'])} of work, done in about {time}"
    return (
        f"that is up to look {looks.index(document['replicates']) + 1} of {len(looks)} "
        f"({counted(document['replicates'], 'replicate')}); all looks ({counted(most['replicates'], 'replicate')}): "
        f"at the most {counted(most['runs'], 'run')}, about {time} and {disk.size(most['bytes'])}"
    )


def _budget_line(document: Mapping[str, Any]) -> str:
    """Return in words what of the benchmark fits into its time limit."""
    budget, looks = document["budget"], document["looks"]
    limit = duration(budget["asked"])
    used = f", of which {duration(budget['used'])} is used," if budget["used"] else ""
    if not budget["replicates"]:
        return (
            f"budget, {limit}{used}: one whole replicate takes about {duration(budget['first_replicate'])} with its "
            "measurements, so each search gets fewer trials"
        )
    fit = counted(budget["replicates"], "replicate")
    reached = [look for look in looks if look <= budget["replicates"]]
    if budget["replicates"] == looks[-1]:
        return f"budget, {limit}{used}: all {fit} fit"
    reached_look = f"look {len(reached)} of {len(looks)} is reached" if reached else "the first look is not reached"
    return f"budget, {limit}{used}: about {fit} of {looks[-1]} fit; {reached_look}"


def _total_line(document: Mapping[str, Any]) -> str:
    room = f"{disk.size(document['bytes'])} ({disk.size(document['bytes_passing'])} more while it runs)"
    work = duration(document["seconds"])
    if document["at_once"] > 1:
        work += f" of work, done in about {duration(document['seconds_wall'])},"
    else:
        work = duration(document["seconds_wall"])
    line = f"in all about {work} and {room} in {document['folder']}"
    line += " (already begun)" if document["exists"] else ""
    failed = sum(bool(arm["problem"]) for arm in document["arms"])
    return line + (f", without the {counted(failed, 'arm')} that cannot be estimated" if failed else "")
