"""A project's own rules of diagnosis: in effect on its machines, and known to its allow-list."""

from __future__ import annotations

from throwaway import Project

pytest_plugins = ["pytester", "throwaway_fixtures"]

RULES = """
[[rule]]
name = "widget-lost"
text = 'widget (?P<name>\\w+) is lost'
blame = "product"
weight = "fatal"
cause = "the widget {name} is lost"
advice = "look for it"
source = "a test"
"""
# What a machine of the rig would hear, without one.
TEST = """
from harness.diagnosis.diagnosis import Diagnosis
from harness.diagnosis.line import Line, Stream
from harness.player.playing.machines import engine_of

def test_widget(node_after, node_image_rig):
    engine = engine_of(node_image_rig)
    heard = Line(stream=Stream.CONSOLE, at_s=1.0, text="widget blue is lost")
    Diagnosis(engine).take(heard)
    print([(one.cause, one.allowed_by) for one in engine.sightings])
    assert 0
"""
ALLOW = """
[[allow]]
pattern = "widget"
tracker = "https://issues.example/NODE-1"
expires = 9999-12-31
rule = "widget-lost"
"""


def test_own_rule_judges_the_machines_of_the_project(project: Project) -> None:
    project.write(TEST)
    project.write(RULES, "own.toml")

    result = project.run(*project.fake, "--rules=own.toml")

    result.stdout.fnmatch_lines(["*('the widget blue is lost', None)*"])


def test_allow_list_knows_own_rules_by_their_names(project: Project) -> None:
    project.write(TEST)
    project.write(RULES, "own.toml")
    project.write(ALLOW, "allow.toml")
    project.environment(NODE_IMAGE_RULES="own.toml")

    result = project.run(*project.fake, "--allow=allow.toml")

    result.stdout.fnmatch_lines(["*'the widget blue is lost', 'https://issues.example/NODE-1'*"])
