"""From a scenario's plan to a machine that is switched on, watched, and kept evidence of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.diagnosis import rules
from harness.diagnosis.engine import Engine
from harness.machine.architecture import CpuLevel
from harness.machine.machine import Machine, MachineSpec, boot
from harness.machine.segment import Segment
from harness.model import version
from harness.model.clock import Deadline, utc_now
from harness.model.errors import InputError
from harness.model.ignition import Document, render
from harness.model.record import MachineRecord
from harness.scenarios.config import insist_valid
from harness.scenarios.scenario import Inputs, Rig
from harness.watching.evidence import Evidence
from harness.watching.watch import Watch

# For hardware acceleration; `Rig.timeout_factor` stretches it.
_SWITCH_ON_S = 60.0
_EL10 = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinePlan:
    """What a scenario asks of its machine.

    The disk holds the bootimage, grown to `disk_bytes`, or with `is_blank` nothing of that size:
    then the ISO `cdrom` boots, or the iPXE script at the URL `netboot`. `scenario` is whose machine
    it is, where that is not its own name.
    """

    name: str
    memory_mib: int
    disk_bytes: int | None = None
    is_blank: bool = False
    cdrom: Path | None = None
    netboot: str | None = None
    segment: Segment | None = None
    scenario: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """A machine that was switched on, what is watched and kept of it, and what took how long."""

    rig: Rig
    machine: Machine
    watch: Watch
    evidence: Evidence
    timings_s: dict[str, float] = field(default_factory=dict)

    def deadline(self, limit_s: float) -> Deadline:
        """Return a deadline `limit_s` from now, stretched for a slow guest."""
        return Deadline.after(limit_s * self.rig.timeout_factor, self.watch.clock)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Note under `name` how long the block takes when it succeeds."""
        start = self.watch.elapsed_s
        yield
        self.timings_s[name] = self.watch.elapsed_s - start


SwitchedOn = Callable[[Rig, Inputs, MachinePlan, Document], AbstractContextManager[Boot]]
"""How a machine gets its config: `switched_on`, or one that takes another way."""


@contextmanager
def switched_on(
    rig: Rig, inputs: Inputs, plan: MachinePlan, document: Document | None
) -> Iterator[Boot]:
    """Hold a machine as planned; `document` is its Ignition config unless its medium has one.

    Whatever happens to it, `rig.evidence/NAME` tells of it afterwards.

    Raises:
        InputError: `ignition-validate` refuses the config.
        RigError: the host cannot start the machine.
    """
    evidence = Evidence.begin(rig.evidence, plan.name, rig.redactor)
    spec = MachineSpec(
        name=plan.name, emulator=rig.emulator, acceleration=rig.acceleration,
        base=None if plan.is_blank else inputs.bootimage.path,
        base_format=inputs.bootimage.format.value, disk_bytes=plan.disk_bytes,
        cdrom=plan.cdrom, netboot=plan.netboot, ignition=_checked(rig, evidence, document),
        memory_mib=rig.memory_mib or plan.memory_mib,
        hardware=rig.hardware, segment=plan.segment,
        cpu_level=cpu_level(inputs.node_image.version),
    )  # fmt: skip
    with watched(rig, spec, evidence, inputs, plan.scenario) as watch:
        yield Boot(rig=rig, machine=watch.machine, watch=watch, evidence=evidence)


def _checked(rig: Rig, evidence: Evidence, document: Document | None) -> str | None:
    """Return the text of an Ignition config that is valid, kept as evidence without its secrets.

    Raises:
        InputError: `ignition-validate` refuses it.
    """
    if document is None:
        return None
    evidence.keep_config(document)
    text = render(document)
    insist_valid(text, rig.run.folder)
    return text


@contextmanager
def watched(
    rig: Rig,
    spec: MachineSpec,
    evidence: Evidence,
    inputs: Inputs | None = None,
    scenario: str | None = None,
) -> Iterator[Watch]:
    """Hold a machine made of `spec` with what watches it; `evidence` has all of it at the end.

    It is recorded as a machine of `scenario`, or of one that goes by its name.

    Raises:
        RigError: the host cannot start the machine.
    """
    limit = Deadline.after(_SWITCH_ON_S * rig.timeout_factor)
    engine = Engine(
        rules.load(), rig.allow, factor=rig.timeout_factor, arch=rig.emulator.arch.name,
        today=rig.today,
    )  # fmt: skip
    name = evidence.folder.name
    record = MachineRecord(
        name=name, scenario=scenario or spec.name, folder=name, started=utc_now(), timings_s={}
    )
    with ExitStack() as after, boot(rig.connection, rig.run, spec, limit) as machine:
        evidence.keep_domain(machine)
        watch = Watch(
            machine=machine, evidence=evidence, engine=engine, tell=rig.tell, record=record,
        )  # fmt: skip
        if inputs is not None:
            watch.package_of = inputs.known_package_of
            # When the machine is gone: an image may have to be fetched for it.
            after.callback(watch.name_packages, inputs.package_of)
        try:
            yield watch
        finally:
            evidence.keep_log(rig.run.folder / "registry.log")
            peak_bytes = machine.peak_memory_bytes()
            watch.finish(peak_bytes)
            watch.say(f"QEMU's peak memory {peak_bytes >> 20} MiB; evidence in {evidence.folder}")


def cpu_level(image_version: str | None) -> CpuLevel:
    """Return what the image's userspace was built for: x86-64-v3 from RHEL 10 on."""
    try:
        known = version.parse(image_version or "")
    except InputError:
        return CpuLevel.V3  # emulates more than needed, which is slower but never wrong
    return CpuLevel.V3 if known.rhel_major >= _EL10 else CpuLevel.V2
