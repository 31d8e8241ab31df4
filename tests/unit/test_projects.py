"""A project's scenarios, each in one file that touches nothing else, played on composed streams."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import httpx
import pytest
from playing import Guest, Host
from recordings import recordings_of
from scenario_fakes import make_inputs

from harness.cluster.exchange import Request
from harness.machine.domain.architecture import Firmware
from harness.machine.domain.hardware import parse
from harness.model.clock import Deadline
from harness.model.errors import InputError
from harness.node.ssh import Result
from harness.player.inputs import Inputs
from harness.player.player import play
from harness.player.site import Site

PROJECTS = Path(__file__).parents[1] / "projects"


def load(name: str) -> ModuleType:
    """Return the one file of a project, as pytest would load its conftest.py."""
    spec = importlib.util.spec_from_file_location(name, PROJECTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _without_validator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")


@pytest.fixture
def inputs() -> Inputs:
    return make_inputs()


def test_uki_node_boots_its_own_image_by_uefi_and_pivots(tmp_path: Path, inputs: Inputs) -> None:
    host = Host(tmp_path, recordings_of("uki_node"))

    with play(load("uki_node").SCENARIO, host.rig, inputs) as nodes:
        assert nodes.only.reboots == 1

    spec = host.specs["uki_node"]
    assert spec.base == Path("/images/uki.qcow2")
    assert spec.hardware.firmware is Firmware.UEFI


def test_hardware_that_a_machine_cannot_do_with_is_refused(tmp_path: Path, inputs: Inputs) -> None:
    host = Host(tmp_path, recordings_of("uki_node"))
    rig = replace(host.rig, hardware=parse("bios"))

    with (
        pytest.raises(InputError, match="bios and uefi exclude each other"),
        play(load("uki_node").SCENARIO, rig, inputs),
    ):
        pass


class Fencing(Guest):
    """Asks the BMC as curl on the node does, with what its config says."""

    def __init__(self, site: list[Site]) -> None:
        super().__init__()
        self._site = site
        self.status = 0

    def run(
        self, command: str, deadline: Deadline, *, check: bool = False, sudo: bool = True
    ) -> Result:
        if not command.startswith("curl "):
            return super().run(command, deadline, check=check, sudo=sudo)
        words = dict(
            line.partition(" = ")[::2] for line in self._site[0].service("bmc", str).splitlines()
        )
        given = {name: shlex.split(value)[0] for name, value in words.items()}
        user, _, password = given["user"].partition(":")
        answer = httpx.request(
            given["request"], given["url"].replace("10.0.2.2", "127.0.0.1"), content=given["data"],
            auth=(user, password), trust_env=False,
        )  # fmt: skip
        self.status = answer.status_code
        return Result(status=0 if answer.is_success else 22, stdout="", stderr=answer.text)


def test_fenced_node_is_reset_by_its_bmc_and_comes_back(tmp_path: Path, inputs: Inputs) -> None:
    fencing = load("two_node_fencing")
    seen: list[Site] = []

    def config(machine: str, site: Site) -> object:
        seen.append(site)
        return fencing.config(machine, site)

    machines = tuple(
        replace(plan, config=lambda site, name=plan.name: config(name, site))
        for plan in fencing.SCENARIO.machines
    )
    guest = Fencing(seen)
    host = Host(tmp_path, recordings_of("two_node_fencing"), guest=guest)

    with play(replace(fencing.SCENARIO, machines=machines), host.rig, inputs) as nodes:
        assert list(nodes) == ["node-0", "node-1"]
        assert [node.reboots for node in nodes.values()] == [1, 2]
        with pytest.raises(InputError, match="several nodes"):
            _ = nodes.only

    assert guest.status == 204
    assert [domain.resets for domain in host.domains.values()] == [0, 1]
    specs = [host.specs[f"two_node_fencing_{name}"] for name in ("node-0", "node-1")]
    links = [spec.segment for spec in specs]
    assert links[0] is not None
    assert links[1] is not None
    assert links[0].local == links[1].remote


def test_bmc_is_for_who_can_log_in() -> None:
    fencing = load("two_node_fencing")

    refused = fencing.reset(None, "admin:x", Request(method="POST", path="/", headers={}))

    assert refused.status == 401
