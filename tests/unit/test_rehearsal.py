"""A project's scenario is played in memory, by the real player and with the public face alone."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from guides import files_of

from harness import (
    ByPointer,
    Check,
    Config,
    Deadline,
    Document,
    File,
    FromIso,
    FromNetwork,
    InMedium,
    InputError,
    LogIn,
    MachinePlan,
    NotYet,
    ProductError,
    Reach,
    RigError,
    Running,
    Scenario,
    Service,
    Site,
    SwitchOn,
    rehearse,
    web_server,
)
from harness.diagnosis.phases import names as phase_names

PROJECTS = Path(__file__).parents[1] / "projects"
ASKED = "systemctl is-active widget.service"
UP = {ASKED: "active\n"}


@pytest.fixture(autouse=True)
def _without_validator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")


@pytest.fixture
def widget(monkeypatch: pytest.MonkeyPatch) -> Scenario:
    """The scenario of the guide."""
    module = ModuleType("widget_node")
    monkeypatch.setitem(sys.modules, "widget_node", module)
    exec(files_of("write-a-scenario.md")["widget_node.py"], module.__dict__)  # noqa: S102 - our docs
    scenario = module.SCENARIO
    assert isinstance(scenario, Scenario)
    return scenario


def project(name: str) -> Any:  # noqa: ANN401 - a module
    spec = importlib.util.spec_from_file_location(f"rehearsed_{name}", PROJECTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    return module


def config(_: Site) -> Document:
    return Config(files=(File(path="/etc/motd", contents="hello"),)).to_document()


NODE = MachinePlan(name="node", memory_mib=512, config=config)


def single(*steps: Reach | Check, **changes: Any) -> Scenario:  # noqa: ANN401
    return Scenario(
        name="single", title="single", machines=(replace(NODE, **changes),),
        steps=lambda _: (SwitchOn(machine="node"), LogIn(machine="node"), *steps),
    )  # fmt: skip


def test_scenario_comes_up_and_shows_what_it_did(widget: Scenario, tmp_path: Path) -> None:
    rehearsal = rehearse(widget, tmp_path, UP)

    assert rehearsal.steps[-2:] == ("node-layer", "widget-runs")
    assert rehearsal.reboots == {"node": 0}
    assert ASKED in rehearsal.commands
    assert "widget_node: step 6 of 6, widget-runs" in rehearsal.lines
    systemd = rehearsal.configs["node"]["systemd"]
    assert isinstance(systemd, dict)
    assert "widget.service" in str(systemd["units"])


def test_several_rehearsals_share_a_folder(widget: Scenario, tmp_path: Path) -> None:
    assert rehearse(widget, tmp_path, UP).steps == rehearse(widget, tmp_path, UP).steps


@pytest.mark.parametrize(("said", "reason"), [("failed", "failed"), ("inactive", "is inactive")])
def test_check_that_does_not_pass_fails_in_its_step(
    widget: Scenario, tmp_path: Path, said: str, reason: str
) -> None:
    with pytest.raises(ProductError, match=f"widget.service {reason}") as raised:
        rehearse(widget, tmp_path, {ASKED: said})

    assert raised.value.__notes__ == ["in widget_node: step 6 of 6, widget-runs"]


def test_answer_may_change_or_be_an_error(widget: Scenario, tmp_path: Path) -> None:
    said = iter(["inactive", "activating", "active"])

    assert rehearse(widget, tmp_path, {ASKED: lambda: next(said)}).commands.count(ASKED) == 3
    with pytest.raises(RigError, match="no bus"):
        rehearse(widget, tmp_path, {ASKED: RigError("no bus")})


@pytest.mark.parametrize("phase", [name for name in phase_names() if name != "pivot"])
def test_every_phase_can_be_reached(phase: str, tmp_path: Path) -> None:
    rehearsal = rehearse(single(Reach(machine="node", phase=phase, limit_s=60.0)), tmp_path)

    assert rehearsal.steps == ("switch-on", "login", phase)


@pytest.mark.parametrize(
    "changes",
    [
        {"medium": FromIso(), "delivery": InMedium()},
        {"medium": FromNetwork(), "delivery": InMedium()},
    ],
    ids=["iso", "network"],
)
def test_machine_may_boot_a_live_medium(changes: dict[str, Any], tmp_path: Path) -> None:
    assert "/etc/motd" in str(rehearse(single(**changes), tmp_path).configs["node"])


@pytest.mark.parametrize("is_secure", [False, True])
def test_services_run(is_secure: bool, tmp_path: Path) -> None:
    seen: list[object] = []

    @contextmanager
    def spy(site: Site) -> Iterator[None]:
        seen.append(site.service("web-server", dict))
        yield

    plain = single(delivery=ByPointer(service="web-server"))
    services = (web_server("node", is_secure=is_secure), Service(name="spy", run=spy))

    rehearse(replace(plain, services=services), tmp_path)

    assert "http" in str(seen)


def test_pivot_of_a_project_reboots_once(tmp_path: Path) -> None:
    assert rehearse(project("uki_node").SCENARIO, tmp_path).reboots == {"node": 1}


def test_two_machines_of_a_project_come_up(tmp_path: Path) -> None:
    rehearsal = rehearse(project("two_node_fencing").SCENARIO, tmp_path)

    assert rehearsal.reboots == {"node-0": 1, "node-1": 2}


def test_scenario_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown phase 'pivto'"):
        rehearse(single(Reach(machine="node", phase="pivto", limit_s=9.0)), tmp_path)


def test_config_with_a_wrong_path_is_an_error_of_its_machine(tmp_path: Path) -> None:
    def wrong(_: Site) -> Document:
        return Config(files=(File(path="etc/motd", contents=""),)).to_document()

    with pytest.raises(InputError, match="scenario single, machine node: file etc/motd"):
        rehearse(single(config=wrong), tmp_path)


def test_check_that_waits_for_ever_ends_at_its_limit(tmp_path: Path) -> None:
    def never(_running: Running, _deadline: Deadline) -> None:
        raise NotYet("it is not there")

    with pytest.raises(ProductError, match="timed out after 5 s: it is not there"):
        rehearse(single(Check(machine="node", name="there", act=never, limit_s=5.0)), tmp_path)
