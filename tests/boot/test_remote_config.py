"""Pointers that lead nowhere, on real machines: each is told by name while Ignition still tries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from harness.cluster.machine_config_server import (
    MASTER,
    MachineConfigServer,
    serve_machine_configs,
)
from harness.cluster.pointer import pointer
from harness.guest.keys import make_run_keys
from harness.images.certificates import issue
from harness.model.errors import HarnessError
from harness.model.ignition import Document
from harness.scenarios import stages, start
from harness.scenarios.scenario import Inputs, Rig
from harness.scenarios.start import MachinePlan

pytestmark = pytest.mark.nightly

# Newer than any Ignition.
CONFIG: Document = {"ignition": {"version": "3.99.0"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A pointer that is wrong, and the rule that has to tell it."""

    rule: str
    document: Callable[[MachineConfigServer], Document]

    def __str__(self) -> str:
        return self.rule


def _to_a_stranger(server: MachineConfigServer) -> Document:
    return pointer(server.url(MASTER), issue(("10.0.2.2",), ()).ca_pem)


def _to_nobody(server: MachineConfigServer) -> Document:
    return pointer("https://10.0.2.2:9/config/master", server.ca_pem)


CASES = (
    Case(rule="ignition-untrusted", document=_to_a_stranger),
    Case(rule="ignition-nobody-serves", document=_to_nobody),
    Case(rule="ignition-refused", document=lambda server: server.pointer(MASTER)),
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_pointer_that_leads_nowhere_is_told_by_name(
    case: Case, node_image_rig: Rig, node_image_inputs: Inputs
) -> None:
    plan = MachinePlan(name="pointer", memory_mib=1536)
    with (
        serve_machine_configs({MASTER: CONFIG}) as server,
        start.switched_on(node_image_rig, node_image_inputs, plan, case.document(server)) as boot,
        pytest.raises(HarnessError) as caught,
        stages.logged_in(boot, make_run_keys()),
    ):
        pass

    node_image_rig.tell(f"{case}: told after {boot.watch.elapsed_s:.0f} s\n{caught.value}")
    assert caught.value.sighting is not None, str(caught.value)
    assert caught.value.sighting.rule == case.rule, str(caught.value)
