"""What services and configs of a scenario get from its stage, and the errors of what it lacks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from playing import Host
from scenario_fakes import make_inputs

from harness.model.errors import InputError
from harness.model.ignition import Config, Document, File
from harness.player.inputs import Inputs
from harness.player.plan import Service
from harness.player.player import play
from harness.player.playing.stage import Stage
from harness.player.site import Site
from harness.scenarios.catalogue import Catalogue


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    services = tuple(Service(name=name, run=lambda _: nullcontext()) for name in ("bmc", "web"))
    scenario = replace(Catalogue().named("fat"), services=services)
    made = Stage(scenario, Host(tmp_path, {}).rig, make_inputs())
    made.add_service("bmc", "http://bmc")
    return made


def config_that_raises(_: Site) -> Document:
    return Config(files=(File(path="etc/widget", contents=""),)).to_document()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (config_that_raises, "fat, machine node: file etc/widget: the path 'etc/widget' is not"),
        (lambda site: site.service("dns", dict), "fat: has no service 'dns'"),
        (lambda site: site.nonsense, "fat, machine node: its config ends with AttributeError: "),
    ],
    ids=["wrong path", "no service", "other error"],
)
def test_config_that_cannot_be_made_is_an_error_of_its_machine(
    tmp_path: Path, config: Callable[[Site], Document], message: str
) -> None:
    scenario = Catalogue().named("fat")
    plan = replace(scenario.machines[0], config=config)
    stage = Stage(replace(scenario, machines=(plan,)), Host(tmp_path, {}).rig, make_inputs())

    with pytest.raises(InputError) as raised:
        stage.config_of("node")

    assert str(raised.value).startswith(f"scenario {message}")


@pytest.mark.parametrize(
    ("inputs", "remedy"),
    [
        (make_inputs(), "Correct the scenario's config; report a bug"),
        (
            replace(make_inputs(), extra_ignition=({},), bootstrap_ignition={"a": 1}),
            "Correct the scenario's config, or that of --ignition and --bootstrap-ignition; report",
        ),
    ],
    ids=["only the scenario's", "merged"],
)
def test_refused_config_names_all_who_brought_a_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: Inputs, remedy: str
) -> None:
    program = tmp_path / "ignition-validate"
    program.write_text("#!/bin/sh\necho 'error at $.x' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    host = Host(tmp_path, {"fat": ()})

    with pytest.raises(InputError) as raised, play(Catalogue().named("fat"), host.rig, inputs):
        pass

    assert raised.value.subject == "scenario fat, machine node: ignition.json"
    assert raised.value.remedy.startswith(remedy)


def test_service_gives_what_it_yielded(stage: Stage) -> None:
    assert stage.service("bmc", str) == "http://bmc"


@pytest.mark.parametrize(
    ("name", "kind", "problem", "remedy"),
    [
        ("dns", str, "has no service 'dns'", "Add it to services; listed there: bmc, web."),
        ("web", str, "'web' is used before it starts", "Put it in services before the service"),
        ("bmc", dict, "'bmc' yields str, not dict", "Correct what its run yields"),
    ],
)
def test_service_that_is_not_there_is_reported_with_the_reason(
    stage: Stage, name: str, kind: type[object], problem: str, remedy: str
) -> None:
    with pytest.raises(InputError) as raised:
        stage.service(name, kind)

    assert str(raised.value).startswith("scenario fat: ")
    assert problem in raised.value.problem
    assert raised.value.remedy.startswith(remedy)
