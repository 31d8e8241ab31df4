"""The scenario of a test is read from its id, the only thing that xdist's controller knows."""

from __future__ import annotations

import pytest

from harness.wiring.scheduling import scenario_in

NAMES = ("ipi", "ipi_bootstrap", "sno")


@pytest.mark.parametrize(
    ("node_id", "expected"),
    [
        ("t.py::test_package[ipi_bootstrap-node-openshift-kubelet]", "ipi_bootstrap"),
        ("t.py::test_plain[ipi]", "ipi"),
        ("t.py::Class::test_plain[sno-sno]", "sno"),
        ("t.py::test_url[ipi-a::b]", "ipi"),
        ("t.py::test_plain", None),
        ("t.py::test_plain[ipi_boot]", None),
        ("t.py::test_plain[x-ipi]", None),
    ],
)
def test_scenario_leads_the_parameters(node_id: str, expected: str | None) -> None:
    assert scenario_in(node_id, NAMES) == expected


def test_a_scenario_whose_name_begins_another_is_not_taken_for_it() -> None:
    assert scenario_in("t.py::t[sno-ha-x]", ("sno", "sno-ha")) == "sno-ha"
