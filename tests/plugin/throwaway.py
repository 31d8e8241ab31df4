"""A throwaway project that only has the plugin installed, with images of a few bytes.

Everything in it is real but the machine: its scenario `fake` comes through the plugin's own hook.
`unbooted.py` replaces the player, and alone knows more of the harness than its public face: it
boots nothing, but leaves a machine's record as the real player does.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.images.oci.writing import write_image

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

DISK_BYTES = 1 << 20
GO_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
LABELS = {
    "io.node-image.stand-in": "true",
    "io.openshift.metalayer": "true",
    "io.openshift.build.versions": "machine-os=9.6.20250203-0",
}

CONFTEST = """
import dataclasses, sys
from harness import LogIn, MachinePlan, Scenario, SwitchOn
from unbooted import note, play, play_to, revived

NODE = MachinePlan(name="node", memory_mib=512, config=lambda site: {})

def scenario(name, *machines):
    planned = machines or (NODE,)

    def steps(given):
        # Nothing boots here, all else is real. Not at import: others pay nothing for this.
        workplace = sys.modules["harness.workplace.workplace"]
        workplace.play, workplace.play_to, workplace.revived = play, play_to, revived
        return tuple(step(machine=plan.name) for plan in planned for step in (SwitchOn, LogIn))

    return Scenario(
        name=name, title=name, machines=planned, steps=steps, takes_installer_config=name == "fake"
    )

def pytest_node_image_scenarios(config):
    two = (dataclasses.replace(NODE, name=f"node-{number}") for number in (0, 1))
    return [scenario("fake"), scenario("other_fake"), scenario("two_fakes", *two)]
"""

UNBOOTED = """
import contextlib, dataclasses, os, pathlib, time
from harness import AppliedNode, AppliedNodes, OwnNode, ProductError, RigError, SuiteError

LOG = pathlib.Path(__file__).with_name("log")

def note(text):
    with LOG.open("a") as log:
        log.write(text + "\\n")

class Machine:
    stopped = None
    console = LOG.with_name("console")
    def why_stopped(self):
        stopped = LOG.with_name("stopped")
        return stopped.read_text() if stopped.exists() else self.stopped

class Session:
    @property
    def endpoint(self):
        from harness.model.secret import Secret
        from harness.node.dial import Endpoint
        return Endpoint(
            address="127.0.0.1", port=2222, client_key=Secret("a key"), host_key="ssh-ed25519 AAAA"
        )

    def run(self, command, deadline, *, check=False):
        if "/etc/machine-id" in command and check:
            note("new machine-id")

@contextlib.contextmanager
def recorded(rig, name):
    # Not at import: what a project without machines pays for is tested with this file, too.
    from harness.model import record
    from harness.watching.evidence import Evidence
    sighting = record.Sighting(
        rule="avc-denied", weight=record.Weight.WARNING, blame=record.Blame.PRODUCT,
        phase="kubelet", at_s=9.0, cause="SELinux denied something", advice="", source="",
    )
    kept = Evidence.begin(rig.evidence, name, rig.redactor)
    machine = record.MachineRecord(
        name=kept.folder.name, scenario=name, folder=kept.folder.name, sightings=(sighting,),
    )
    kept.keep_record(machine)
    state = record.State.FAILED
    try:
        yield
        state = record.State.FINISHED
    finally:
        kept.keep_record(dataclasses.replace(machine, state=state))

FAULT = {
    "product": ProductError("the overlay was not applied"),
    "rig": RigError("the host is out of order"),
    "suite": SuiteError("its Ignition config fails"),
    "code": RuntimeError("a mistake"),
}

def state(name):
    from harness.folders import fixture
    from harness.model.node_state import parse
    return parse(fixture(f"transcripts/observe-{name}.txt").read_text())

def own(node, checkpoint):
    machine, session = Machine(), Session()
    applied = dataclasses.replace(node, machine=machine, session=session)
    return OwnNode(
        name="node", machine=machine, watch=node.watch, logged_in=session, applied=applied,
        checkpoint=checkpoint,
    )

class Forks:
    def __init__(self, scenario, nodes, is_kept=False):
        self.scenario, self.nodes, self.is_kept = scenario, nodes, is_kept

    @contextlib.contextmanager
    def fork(self, step):
        note(f"fork {self.scenario} {step}")
        checkpoint = f"{step} of a day" if self.is_kept else step
        yield {
            name: dataclasses.replace(own(node, checkpoint), is_kept=self.is_kept)
            for name, node in self.nodes.items()
        }
        note(f"end fork {self.scenario} {step}")

def kept(scenario):
    return LOG.with_name(f"kept-{scenario}")

@contextlib.contextmanager
def revived(scenario, rig, inputs, step):
    from harness.player.applied import CannotForkError
    if os.environ.get("KEPT") != step and not (rig.keeping and kept(scenario.name).exists()):
        raise CannotForkError("kept checkpoint", "there is none")
    nodes = {
        machine: AppliedNode(
            machine=Machine(), session=Session(), before=state("before"), after=state("after")
        )
        for machine in scenario.judged
    }
    note(f"revive {scenario.name} {step}")
    yield Forks(scenario.name, nodes, is_kept=True)
    note(f"end revive {scenario.name} {step}")

@contextlib.contextmanager
def play_to(scenario, rig, inputs, step, checkpoints=frozenset()):
    with play(scenario, rig, inputs) as nodes:
        yield {name: own(node, "") for name, node in nodes.items()}

@contextlib.contextmanager
def play(scenario, rig, inputs):
    name = scenario.name
    again = LOG.exists() and f"up {name}" in LOG.read_text().splitlines()
    note(f"up {name}")
    rig.report(f"{name} comes up")
    fault = os.environ.get("FAULT", "")
    kind = fault.removesuffix("-once")
    with recorded(rig, name):
        if kind in FAULT and not (again and fault.endswith("-once")):
            raise FAULT[kind]
        try:
            if fault == "dies-once" and not again:
                os._exit(1)
            if fault == "hangs":
                rig.report(f"{name} hangs")
            while fault == "hangs":
                time.sleep(0.05)
            nodes = {
                machine: AppliedNode(
                    machine=Machine(), session=Session(), before=state("before"),
                    after=state("after"),
                )
                for machine in scenario.judged
            }
            if rig.checkpoints:
                note(f"save {' '.join(sorted(rig.checkpoints))}")
            if rig.checkpoints and rig.keeping and fault != "unkept":
                kept(name).touch()
                rig.keeping.note_usable(name)
            yield AppliedNodes(nodes, Forks(name, nodes))
        finally:
            note(f"down {name}")
"""

TABLE = """
title = "two packages and a unit"

[[package]]
name = "ostree"
layer = "coreos"
source = "a test"

[[package]]
name = "openshift-kubelet"
layer = "node"
source = "a test"
"""

ROWS = """
def test_package(verdict, package_row):
    verdict(package_row)
"""


class Project:
    """The project, with the environment of a user who has set nothing."""

    def __init__(
        self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, cache: Path
    ) -> None:
        self.folder = pytester.path
        self._pytester = pytester
        self._monkeypatch = monkeypatch
        for name in [name for name in os.environ if name.startswith("NODE_IMAGE_")]:
            monkeypatch.delenv(name)
        monkeypatch.delenv("ARTIFACT_DIR", raising=False)
        monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
        (self.folder / "conftest.py").write_text(CONFTEST)
        (self.folder / "unbooted.py").write_text(UNBOOTED)
        (self.folder / "table.toml").write_text(TABLE)
        (self.folder / "boot.raw").write_bytes(boot_sector())
        write_image(self.folder / "image", "latest", GO_ARCH, [b""], {"Labels": LABELS})

    @property
    def images(self) -> tuple[str, ...]:
        return ("--bootimage=boot.raw", "--node-image=oci:image:latest")

    @property
    def fake(self) -> tuple[str, ...]:
        """Options for a run on the fake scenario and the small table."""
        return (*self.images, "--scenario=fake", "--expectations=table.toml")

    @property
    def log(self) -> list[str]:
        """What the fake scenarios did."""
        path = self.folder / "log"
        return path.read_text().splitlines() if path.exists() else []

    def environment(self, **variables: str) -> None:
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)

    def write(self, source: str, name: str = "test_it.py") -> None:
        (self.folder / name).write_text(source)

    def run(self, *options: str) -> pytest.RunResult:
        """Run its tests in a process of their own: libvirt allows one run per process."""
        return self._pytester.runpytest_subprocess("-p", "no:cacheprovider", *options)

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """Start its tests as `run` does; the caller reads the output, which is a pipe."""
        argv = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options)
        child: subprocess.Popen[bytes] = self._pytester.popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        return child

    def run_inside(self, *options: str) -> pytest.RunResult:
        """Run its tests in this process, which is faster; only where no run is begun."""
        return self._pytester.runpytest_inprocess("-p", "no:cacheprovider", *options)


def boot_sector() -> bytes:
    return bytes(510) + b"\x55\xaa" + bytes(DISK_BYTES - 512)


def usage_errors(result: pytest.RunResult) -> list[str]:
    """Return the first lines of usage errors."""
    lines = [*result.outlines, *result.errlines]
    return [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]


def junit_cases(junit: Path) -> list[Element]:
    from xml.etree import ElementTree as ET

    return list(ET.parse(junit).iter("testcase"))  # noqa: S314 - pytest wrote it
