"""What services and configs of a scenario get from its stage, and the errors of what it lacks."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from playing import Host
from scenario_fakes import make_inputs

from harness.model.errors import InputError
from harness.player.plan import Service
from harness.player.playing.stage import Stage
from harness.scenarios.catalogue import Catalogue


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    services = tuple(Service(name=name, run=lambda _: nullcontext()) for name in ("bmc", "web"))
    scenario = replace(Catalogue().named("fat"), services=services)
    made = Stage(scenario, Host(tmp_path, {}).rig, make_inputs())
    made.add_service("bmc", "http://bmc")
    return made


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
