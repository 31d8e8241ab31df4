"""Images and configs that are wrong on purpose, on real machines: each run fails and says why.

Every case is a pytest run of its own, as a user would start it: a process has one libvirt root.
"""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import variants
from planting.inputs import Planted, plant
from planting.search import found_in

from harness import process
from harness.model.clock import Deadline
from harness.standin import build
from harness.standin.build import StandIn

_BOOT_TESTS = Path(__file__).with_name("test_node_image.py")
_LIMIT_S = 1200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The report of a pytest run: names of passed tests, and messages of failed ones by name."""

    passed: frozenset[str]
    failed: dict[str, str]
    errors: dict[str, str]


@pytest.fixture(scope="module")
def stand_in() -> StandIn:
    return build.ensure(Deadline.after(build.LIMIT_S), lambda _: None)


def judge(
    tmp_path: Path, *arguments: str, only: str, env: Mapping[str, str] | None = None
) -> Outcome:
    """Run the boot tests named by `only` and return what they reported.

    What they printed is in `output.txt`.
    """
    junit = tmp_path / "junit.xml"
    argv: list[str | Path] = [
        sys.executable, "-m", "pytest", _BOOT_TESTS, "-k", only, "-p", "no:cacheprovider",
        f"--junitxml={junit}", f"--artifacts-dir={tmp_path / 'artifacts'}", *arguments,
    ]  # fmt: skip
    done = process.run(argv, Deadline.after(_LIMIT_S), check=False, env=env)
    (tmp_path / "output.txt").write_text(done.stdout + done.stderr)
    assert junit.exists(), done.stdout + done.stderr
    passed, red = set(), {"failure": dict[str, str](), "error": dict[str, str]()}
    for case in ET.parse(junit).iter("testcase"):  # noqa: S314 - our own file
        name = case.get("name", "")
        marks = [child for child in case if child.tag in red]
        for mark in marks:
            red[mark.tag][name] = f"{mark.get('message')}\n{mark.text}"
        if not marks:
            passed.add(name)
    return Outcome(passed=frozenset(passed), failed=red["failure"], errors=red["error"])


def _named(stand_in: StandIn, node_image: str) -> tuple[str, ...]:
    images = (f"--bootimage={stand_in.bootimage}", f"--node-image={node_image}")
    return (*images, "--expectations=stand-in")


def _ignition(folder: Path, **parts: object) -> str:
    config = folder / "extra.ign"
    config.write_text(json.dumps({"ignition": {"version": "3.2.0"}, **parts}))
    return f"--ignition={config}"


def test_ignition_that_fails_in_the_guest_is_reported_with_its_stage(tmp_path: Path) -> None:
    wrong = {"source": "data:,hello", "verification": {"hash": f"sha256-{'0' * 64}"}}
    config = _ignition(tmp_path, storage={"files": [{"path": "/etc/greeting", "contents": wrong}]})

    outcome = judge(tmp_path, config, only="test_package")

    assert not outcome.errors
    assert not outcome.passed
    messages = set(outcome.failed.values())
    assert all("Ignition" in message for message in messages)
    assert any("/etc/greeting" in message or "hash" in message for message in messages)


def test_package_missing_from_the_node_image_fails_its_row_and_what_needs_it(
    stand_in: StandIn, tmp_path: Path
) -> None:
    image = variants.without_package(stand_in, "cri-tools", ("/usr/bin/crictl",), tmp_path)

    outcome = judge(tmp_path, *_named(stand_in, image), only="test_package or test_readiness")

    row = "test_package[ipi_bootstrap-node-cri-tools]"
    cri = "test_readiness[ipi_bootstrap-cri]"
    pod = "test_readiness[ipi_bootstrap-static-pod]"
    assert set(outcome.failed) == {row, cri, pod}
    assert "standin.md" in outcome.failed[row], "the source is named"
    assert "crictl" in outcome.failed[cri], "the whiteout took the program away"
    assert "test_package[ipi_bootstrap-node-openshift-kubelet]" in outcome.passed
    assert not outcome.errors


@pytest.mark.nightly
def test_os_release_that_breaks_the_contract_fails_its_rows(
    stand_in: StandIn, tmp_path: Path
) -> None:
    legacy = variants.read_text(stand_in, "/usr/lib/os-release").replace('ID="rhel"', 'ID="rhcos"')
    image = variants.with_file(stand_in, "/usr/lib/os-release", legacy, 0o644, tmp_path)

    outcome = judge(tmp_path, *_named(stand_in, image), only="test_os_release")

    row = "test_os_release[ipi_bootstrap-coreos-ID]"
    assert list(outcome.failed) == [row]
    assert "before: 'rhel'; after: 'rhcos'" in outcome.failed[row]
    assert "test_os_release[ipi_bootstrap-coreos-VERSION_ID]" in outcome.passed
    assert not outcome.errors


@pytest.mark.nightly
def test_kubelet_that_dies_fails_readiness_with_its_last_words(
    stand_in: StandIn, tmp_path: Path
) -> None:
    dying = "#!/bin/sh\necho this kubelet dies on purpose >&2\nexit 3\n"
    image = variants.with_file(stand_in, "/usr/bin/kubelet", dying, 0o755, tmp_path)

    outcome = judge(tmp_path, *_named(stand_in, image), only="test_readiness")

    assert "test_readiness[ipi_bootstrap-unit-active]" in outcome.failed
    assert "dies on purpose" in outcome.failed["test_readiness[ipi_bootstrap-unit-active]"]
    assert "test_readiness[ipi_bootstrap-static-pod]" in outcome.failed
    assert not outcome.errors


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedRun:
    """A run with secrets in its inputs, whose pull fails; `folder` has all that it left."""

    outcome: Outcome
    planted: Planted
    folder: Path


def planted_run(tmp_path: Path, *arguments: str) -> PlantedRun:
    nowhere = f"[Service]\nEnvironment=NODE_IMAGE=10.0.2.2:9/node@sha256:{'0' * 64}\n"
    dropin = {"name": "90-nowhere.conf", "contents": nowhere}
    unit = {"name": "node-image-pull.service", "dropins": [dropin]}
    left, inputs = tmp_path / "left", tmp_path / "inputs"
    left.mkdir()
    inputs.mkdir()
    planted = plant(inputs)
    config = _ignition(inputs, systemd={"units": [unit]})
    history = f"--history={left / 'history.db'}"
    options = (config, history, *planted.options, *arguments)
    outcome = judge(left, *options, only="test_package", env=planted.env)
    return PlantedRun(outcome=outcome, planted=planted, folder=left)


@pytest.fixture(scope="module")
def without_registry(tmp_path_factory: pytest.TempPathFactory) -> PlantedRun:
    return planted_run(tmp_path_factory.mktemp("planted"))


def test_registry_that_is_not_there_ends_in_a_failed_pull(without_registry: PlantedRun) -> None:
    outcome = without_registry.outcome

    assert not outcome.failed, "a missing registry is not a fault of the images"
    assert not outcome.passed
    assert all("pull" in message for message in outcome.errors.values())
    assert any("10.0.2.2:9" in message for message in outcome.errors.values())


def test_nothing_that_a_run_leaves_has_a_secret_of_its_inputs(without_registry: PlantedRun) -> None:
    run = without_registry
    names = {path.name for path in run.folder.rglob("*")}

    assert {"report.json", "junit.xml", "console.txt", "domain.xml", "output.txt"} <= names
    assert found_in(run.folder, run.planted.needles) == []


@pytest.mark.nightly
def test_every_planted_secret_is_found_without_redaction(tmp_path: Path) -> None:
    run = planted_run(tmp_path, "-p", "planting.unredacted")
    found = {line.partition(": ")[2] for line in found_in(run.folder, run.planted.needles)}

    # No program of a run prints the environment of its own accord.
    assert found == {*run.planted.needles} - {"proxy in the environment"}


@pytest.mark.nightly
def test_fat_bootimage_is_not_taken_for_a_live_apply(stand_in: StandIn, tmp_path: Path) -> None:
    images = (f"--bootimage={stand_in.fat_bootimage}", f"--node-image={stand_in.node_image}")

    outcome = judge(tmp_path, *images, "--expectations=stand-in", only="test_package")

    assert not outcome.errors
    assert not outcome.passed
    assert all("did not run" in message for message in outcome.failed.values())
