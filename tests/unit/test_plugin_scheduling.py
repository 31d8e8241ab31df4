"""The scenario of a test is read from its id, the only thing that xdist's controller knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.machine.ownership import memory
from harness.plugin.scheduling import scenario_in, workers_that_fit
from harness.scenarios.catalogue import Catalogue
from harness.workplace.options import read

NAMES = ("ipi", "ipi_bootstrap", "sno")


@pytest.mark.parametrize(
    ("node_id", "expected"),
    [
        ("t.py::test_package[ipi_bootstrap-node-openshift-kubelet]", "ipi_bootstrap"),
        ("t.py::test_plain[ipi]", "ipi"),
        ("t.py::Class::test_plain[sno-sno]", "sno"),
        ("t.py::test_url[ipi-a::b]", "ipi"),
        ("t.py::test_two[sno/node-1-unit]", "sno"),
        ("t.py::test_plain", None),
        ("t.py::test_plain[ipi_boot]", None),
        ("t.py::test_plain[x-ipi]", None),
    ],
)
def test_scenario_leads_the_parameters(node_id: str, expected: str | None) -> None:
    assert scenario_in(node_id, NAMES) == expected


def test_a_scenario_whose_name_begins_another_is_not_taken_for_it() -> None:
    assert scenario_in("t.py::t[sno-ha-x]", ("sno", "sno-ha")) == "sno-ha"


@pytest.mark.parametrize(
    ("names", "asked_mib", "workers"),
    [
        (["ipi_bootstrap"], None, 5),
        (["ipi_bootstrap", "ipi_cluster"], None, 2),
        (["ipi_bootstrap"], 6000, 2),
        (["ipi_bootstrap", "ipi_cluster"], 6000, 1),
        (["ipi_cluster"], 2000, 2),  # 3 if the emulator of one machine alone counted
        (["ipi_cluster"], 100_000, 1),
    ],
)
def test_workers_have_room_for_all_machines_of_a_scenario(
    monkeypatch: pytest.MonkeyPatch, names: list[str], asked_mib: int | None, workers: int
) -> None:
    survey = memory.Survey(host_bytes=13_500 * memory.MIB, cgroup=None)
    monkeypatch.setattr(memory, "survey", lambda: survey)
    given = {"node_image_scenario": names, "node_image_memory_mib": asked_mib}

    fitting = workers_that_fit(8, read(given, {}, {}, Path()), Catalogue([]))

    assert fitting == workers
