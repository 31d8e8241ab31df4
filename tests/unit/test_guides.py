"""What the guides show is what happens: their rule, their scenario, their links."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from guides import DOCS, consoles_of, files_of, text_of
from playing import ANSWERS, Guest, Host
from recordings import recordings_of
from scenario_fakes import make_inputs

from harness import ByPointer, ProductError, play, web_server
from harness.diagnosis.replay import replay
from harness.diagnosis.rules import load

SCENARIO_GUIDE = "write-a-scenario.md"
ASKED = "systemctl is-active widget.service"
_LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")


def test_rule_gives_what_its_guide_shows(tmp_path: Path) -> None:
    files = files_of("write-a-rule.md")
    (tmp_path / "rules.toml").write_text(files["rules.toml"])
    command, *shown = consoles_of("write-a-rule.md")[0].splitlines()

    found = replay(files["console.txt"], load([tmp_path / "rules.toml"]))

    assert command == "$ node-image diagnose console.txt --rules rules.toml"
    assert found.render().splitlines()[: len(shown)] == shown


@pytest.fixture
def widget(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The scenario's module, as its guide has it."""
    module = ModuleType("widget_node")
    monkeypatch.setitem(sys.modules, "widget_node", module)
    exec(files_of(SCENARIO_GUIDE)["widget_node.py"], module.__dict__)  # noqa: S102 - our docs
    monkeypatch.setenv("PATH", "")  # without ignition-validate
    return module


def make_host(folder: Path, said: str) -> Host:
    recording = recordings_of("ipi_bootstrap")["ipi_bootstrap"]
    answers = {ASKED: f"{said}\n", **ANSWERS}
    return Host(folder, {"widget_node": recording}, guest=Guest(answers))


def test_scenario_of_the_guide_comes_up(tmp_path: Path, widget: ModuleType) -> None:
    host = make_host(tmp_path, "active")

    with play(widget.SCENARIO, host.rig, make_inputs()) as nodes:
        assert nodes.only.reboots == 0


@pytest.mark.parametrize(("said", "reason"), [("failed", "failed"), ("inactive", "is inactive")])
def test_scenario_of_the_guide_is_red_without_its_unit(
    said: str, reason: str, tmp_path: Path, widget: ModuleType
) -> None:
    host = make_host(tmp_path, said)

    with (
        pytest.raises(ProductError, match=f"widget.service {reason}"),
        play(widget.SCENARIO, host.rig, make_inputs()),
    ):
        pass


def test_config_of_the_guide_comes_by_its_web_server(tmp_path: Path, widget: ModuleType) -> None:
    plan = replace(widget.SCENARIO.machines[0], delivery=ByPointer(service="web-server"))
    services = (web_server(widget.NODE, is_secure=True),)
    served = replace(widget.SCENARIO, machines=(plan,), services=services)
    host = make_host(tmp_path, "active")

    with play(served, host.rig, make_inputs()):
        pointer = host.specs["widget_node"].ignition

    assert pointer is not None
    assert '"source": "https://10.0.2.2:' in pointer


@pytest.mark.usefixtures("widget")
def test_unit_tests_of_the_guide_pass(tmp_path: Path) -> None:
    tests: dict[str, Any] = {}
    exec(files_of(SCENARIO_GUIDE)["test_scenario.py"], tests)  # noqa: S102 - our docs

    tests["test_steps_make_sense"]()
    tests["test_it_comes_up"](tmp_path)
    tests["test_it_fails_without_the_unit"](tmp_path)


@pytest.mark.parametrize("guide", [path.name for path in sorted(DOCS.glob("*.md"))])
def test_links_lead_somewhere(guide: str) -> None:
    for target, anchor in _LINK.findall(text_of(guide)):
        path = DOCS / target if target else DOCS / guide
        assert path.exists(), target
        if anchor and path.suffix == ".md":
            assert anchor in anchors(path.read_text(encoding="utf-8"))


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives to headings."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
