"""`node-image version` shows parts and order of versions, and refuses what has none."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from harness.cli import main


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["version", *arguments])


def test_parts_are_a_table() -> None:
    done = run("418.94.202410090804-0")

    assert done.exit_code == 0
    assert done.output.splitlines() == [
        "VERSION                SCHEME          OPENSHIFT  RHEL  BUILT              SEMVER",
        "418.94.202410090804-0  openshift-rhel  4.18       9.4   2024-10-09T08:04Z  yes",
    ]


def test_what_semantic_versioning_makes_of_developers_builds_is_said() -> None:
    done = run("10.0.20251103-0", "10.0.20251103-dev0", "44.20260720.1.1")

    assert "order, oldest first: 10.0.20251103-dev0, 10.0.20251103-0\n" in done.output
    assert "no common order" in done.output
    assert "does not put 10.0.20251103-dev0 before 10.0.20251103-0." in done.output


def test_json_and_markdown() -> None:
    found = json.loads(run("9.8.20260403-0", "--output", "json").output)

    assert (found["command"], found["versions"][0]["openshift"]) == ("version", None)
    lines = run("9.8.20260403-0", "--output", "markdown").output.splitlines()
    assert lines[-1] == "| 9.8.20260403-0 | rhel | - | 9.8 | 2026-04-03 | yes |"


def test_sorted_versions_are_lines() -> None:
    done = run("--sort", "10.2.20260405-0", "9.8.20260403-0")

    assert done.output == "9.8.20260403-0\n10.2.20260405-0\n"


@pytest.mark.parametrize("option", ["--ocp", "--sort"])
@pytest.mark.parametrize("output", ["json", "markdown"])
def test_lines_and_another_form_of_output_are_refused(option: str, output: str) -> None:
    done = run(option, "4.21.9.6.202602041851-0", "--output", output)

    assert done.exit_code == 2
    assert f"{option} and --output {output}: two forms of output. Remove {option}" in done.output
    assert "4.21" not in done.output


def test_openshift_versions_are_lines() -> None:
    assert run("--ocp", "4.21.9.6.202602041851-0", "43.82.202102081639.0").output == "4.21\n4.3\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["latest"], "'latest': not a CoreOS version"),
        (["--ocp", "9.8.20260403-0"], "a version without an OpenShift part"),
        (["--sort", "9.8.20260403-0", "44.20260720.1.1"], "have no order"),
        (["--ocp", "--sort", "4.21.9.6.202602041851-0"], "--ocp and --sort: two forms of output."),
        (["9.8.20260403-0", "--output", "xml"], "'xml' is not one of"),
        ([], "Missing argument"),
    ],
)
def test_unusable_input_has_its_status(arguments: list[str], problem: str) -> None:
    done = run(*arguments)

    assert done.exit_code == 2
    assert problem in done.output
