"""The solutions that a report shows side by side: by network, every run of the arms and of their controls that ended well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness import Records, standing_protocol
from harness.verdict.design import Network, networks_of
from harness.verdict.measurements import Measurements


def measured_networks(records: Records) -> list[Measurements]:
    """Return what was measured of each network, for the arms and replicates of the standing protocol at its last look."""
    return records.once("networks of solutions", lambda: _measured_networks(records))


def _measured_networks(records: Records) -> list[Measurements]:
    standing = standing_protocol(records.meta)
    networks = networks_of(records, standing.protocol) if standing else []
    measured = [Measurements(records, network) for network in networks]
    return [measurements for measurements in measured if measurements.run_places]


def solutions_of(network: Network) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
    """Yield arm, seed and run of every solution, by arm and then by seed, the controls last."""
    for name in (*network.arms, *network.controls):
        for seed, row in network.done_runs(name).items():
            yield name, seed, row


def kind_of(network: Network, arm: str) -> str:
    """Return "arm", or the role of a control."""
    return network.controls[arm][0] if arm in network.controls else "arm"
