"""Wrong pointers, on real machines: each is reported by name while Ignition still retries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from harness.cluster.machine_config_server import (
    MASTER,
    MachineConfigServer,
    serve_machine_configs,
)
from harness.cluster.pointer import pointer
from harness.model.errors import HarnessError
from harness.model.ignition import Document
from harness.pki.certificates import issue
from harness.player.inputs import Inputs, Rig
from harness.player.plan import ByPointer, MachinePlan, Service
from harness.player.player import play
from harness.player.scenario import Scenario
from harness.player.site import Site
from harness.player.steps import LogIn, SwitchOn

pytestmark = pytest.mark.nightly

# Newer than any Ignition.
CONFIG: Document = {"ignition": {"version": "3.99.0"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A wrong pointer, and the rule that has to match."""

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
def test_pointer_that_leads_nowhere_is_reported_by_name(
    case: Case, node_image_rig: Rig, node_image_inputs: Inputs
) -> None:
    with (
        pytest.raises(HarnessError) as caught,
        play(_scenario(case), node_image_rig, node_image_inputs),
    ):
        pass

    node_image_rig.report(f"{case}: {caught.value}")
    assert caught.value.sighting is not None, str(caught.value)
    assert caught.value.sighting.rule == case.rule, str(caught.value)


def _scenario(case: Case) -> Scenario:
    @contextmanager
    def serve(_: Site) -> Iterator[Document]:
        with serve_machine_configs({MASTER: CONFIG}) as server:
            yield case.document(server)

    machine = MachinePlan(
        name="node", memory_mib=1536, config=lambda site: site.document(),
        delivery=ByPointer(service="pointer"),
    )  # fmt: skip
    return Scenario(
        name="pointer", title="a pointer that leads nowhere", machines=(machine,),
        services=(Service(name="pointer", run=serve),),
        steps=lambda _: (SwitchOn(machine="node"), LogIn(machine="node")),
    )  # fmt: skip
