"""Switch on a planned machine, watch it, and keep evidence of it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from harness.diagnosis.engine import Engine
from harness.images.live_iso import with_ignition
from harness.machine.domain.architecture import CpuLevel
from harness.machine.domain.hardware import with_required
from harness.machine.spec import MachineSpec
from harness.model.clock import Deadline, utc_now
from harness.model.errors import InputError
from harness.model.ignition import Document, render
from harness.model.record import MachineRecord
from harness.model.versions import version
from harness.player.inputs import Inputs, Rig
from harness.player.plan import ByPointer, FromDisk, FromIso, FromNetwork, MachinePlan
from harness.player.playing.network_boot import served
from harness.player.playing.stage import Stage
from harness.player.running import Running
from harness.watching.evidence import Evidence
from harness.watching.watch import Watch

_SWITCH_ON_S = 60.0
_EL10 = 10
_FETCHED = "fetched-config.json"
_IN_MEDIUM = "medium-config.json"


@contextmanager
def switched_on(rig: Rig, site: Stage, plan: MachinePlan) -> Iterator[Running]:
    """Context manager that runs a machine as planned, watched from power-on.

    `rig.evidence/NAME` has the evidence, whatever happens to the machine.

    Raises:
        InputError: the image does not exist, or `ignition-validate` refuses the config.
        RigError: the host cannot start the machine.
    """
    name = site.scenario.record_name(plan.name)
    evidence = Evidence.begin(rig.evidence, name, rig.redactor, rig.report)
    with ExitStack() as stack:
        spec = _spec(rig, site, plan, name)
        spec = stack.enter_context(_with_medium(rig, site, plan, evidence, spec))
        watch = watched(rig, spec, evidence, site.inputs, site.scenario.name)
        running = stack.enter_context(watch)
        yield Running(name=plan.name, machine=running.machine, watch=running, evidence=evidence)


def planned(rig: Rig, site: Stage, plan: MachinePlan) -> MachineSpec:
    """Return what a machine is made of, without starting it.

    Its live ISO is at a new path, and can be written there by `written_iso`.

    Raises:
        InputError: the image does not exist, a config cannot be made, or the machine boots by
            network.
    """
    spec = _spec(rig, site, plan, f"{site.scenario.record_name(plan.name)}-kept")
    spec = replace(spec, is_template=True)
    match plan.medium:
        case FromDisk() as medium:
            disk = site.inputs.images.disk(medium.image)
            return replace(
                spec, base=disk.path, base_format=disk.format.value,
                ignition=render(_delivered(site, plan)),
            )  # fmt: skip
        case FromIso() as medium:
            iso = rig.run.scratch / f"{spec.name}-{secrets.token_hex(3)}.iso"
            return replace(spec, disk_bytes=medium.disk_bytes, cdrom=iso)
        case FromNetwork():
            problem, remedy = "boots from a server of its run", "Start it without a checkpoint."
            raise InputError(f"machine {plan.name}", problem, remedy)


@contextmanager
def written_iso(site: Stage, plan: MachinePlan, path: Path) -> Iterator[Path]:
    """Context manager that yields a machine's live ISO with its config, at the new `path`.

    Raises:
        InputError: not a live ISO, or the config is too large for it.
        RigError: it cannot be written.
    """
    text = render(site.config_of(plan.name))
    try:
        yield with_ignition(site.inputs.images.iso(plan.medium.image), text, path)
    finally:
        path.unlink(missing_ok=True)


def _spec(rig: Rig, site: Stage, plan: MachinePlan, name: str) -> MachineSpec:
    return MachineSpec(
        name=name, emulator=rig.emulator, acceleration=rig.acceleration, base=None,
        memory_mib=rig.memory_mib or plan.memory_mib,
        hardware=with_required(rig.hardware, plan.requires),
        segment=site.segments.get(plan.name), is_template=bool(rig.checkpoints),
        cpu_level=cpu_level(site.inputs.node_image.version),
    )  # fmt: skip


def _delivered(site: Stage, plan: MachinePlan) -> Document:
    """Return the config that firmware gives to the machine: its whole one, or a pointer to that."""
    if isinstance(plan.delivery, ByPointer):
        return site.service(plan.delivery.service, dict)
    return site.config_of(plan.name)


@contextmanager
def _with_medium(
    rig: Rig, site: Stage, plan: MachinePlan, evidence: Evidence, spec: MachineSpec
) -> Iterator[MachineSpec]:
    """Context manager that yields `spec` with what the machine boots, and with its config.

    Every config is kept as evidence before the machine starts, so its secrets are redacted.
    """
    match plan.medium:
        case FromDisk() as medium:
            disk = site.inputs.images.disk(medium.image)
            yield replace(
                spec, base=disk.path, base_format=disk.format.value, disk_bytes=medium.size_bytes,
                ignition=_by_firmware(site, plan, evidence),
            )  # fmt: skip
        case FromIso() as medium:
            _kept(site, plan, evidence, _IN_MEDIUM)
            with written_iso(site, plan, rig.run.scratch / f"{spec.name}.iso") as iso:
                yield replace(spec, disk_bytes=medium.disk_bytes, cdrom=iso)
        case FromNetwork() as medium:
            text = _kept(site, plan, evidence, _IN_MEDIUM)
            media = site.inputs.images.live_media(medium.image, rig.run.scratch)
            with served(media, text, rig.redactor) as script:
                yield replace(spec, disk_bytes=medium.disk_bytes, netboot=script)


def _by_firmware(site: Stage, plan: MachinePlan, evidence: Evidence) -> str:
    if isinstance(plan.delivery, ByPointer):
        _kept(site, plan, evidence, _FETCHED)
    return _kept(site, plan, evidence, document=_delivered(site, plan))


def _kept(
    site: Stage,
    plan: MachinePlan,
    evidence: Evidence,
    name: str = "ignition.json",
    document: Document | None = None,
) -> str:
    """Return a config's text, valid, and kept as evidence without its secrets.

    It is the machine's whole config, or `document`.
    """
    document = site.config_of(plan.name) if document is None else document
    evidence.keep_config(document, name)
    text = render(document)
    site.require_valid(text, f"scenario {site.name}, machine {plan.name}: {name}")
    return text


@contextmanager
def watched(
    rig: Rig,
    spec: MachineSpec,
    evidence: Evidence,
    inputs: Inputs | None = None,
    scenario: str | None = None,
) -> Iterator[Watch]:
    """Context manager that runs a machine made of `spec` and yields what watches it.

    `evidence` has all of it at the end. The machine is recorded as one of `scenario`, or of one
    that goes by its name.

    Raises:
        RigError: the host cannot start the machine.
    """
    # Not by the rig's clock: what starts QEMU is on the host.
    limit = Deadline.after(_SWITCH_ON_S * rig.timeout_factor)
    name = evidence.folder.name
    record = MachineRecord(
        name=name, scenario=scenario or spec.name, folder=name, started=utc_now()
    )
    with ExitStack() as after, rig.boot(rig.connection, rig.run, spec, limit) as machine:
        evidence.keep_domain(machine)
        watch = Watch(
            machine=machine, evidence=evidence, engine=engine_of(rig), report=rig.report,
            record=record, clock=rig.clock,
        )  # fmt: skip
        if inputs is not None:
            watch.package_of = inputs.known_package_of
            # When the machine is gone: an image may have to be fetched for it.
            after.callback(watch.name_packages, inputs.package_of)
        try:
            yield watch
        finally:
            if inputs is not None:
                evidence.keep_log(inputs.registry.log)
            peak_bytes = machine.peak_memory_bytes()
            watch.finish(peak_bytes)
            watch.say(f"QEMU's peak memory {peak_bytes >> 20} MiB; evidence in {evidence.folder}")


def engine_of(rig: Rig) -> Engine:
    """Return what judges the lines of one machine of `rig`."""
    return Engine(
        rig.rules, rig.allow, factor=rig.timeout_factor, arch=rig.emulator.arch.name,
        today=rig.today,
    )  # fmt: skip


def cpu_level(image_version: str | None) -> CpuLevel:
    """Return what the image's userspace was built for: x86-64-v3 from RHEL 10 on."""
    try:
        known = version.parse(image_version or "")
    except InputError:
        return CpuLevel.V3  # emulates more than needed, which is slower but never wrong
    return CpuLevel.V3 if known.rhel_major >= _EL10 else CpuLevel.V2
