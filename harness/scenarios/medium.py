"""What the scenarios share that begin on a live medium: its boot, its memory, its install.

A live system has no disk to live on: its disk is blank, or gets the system that it installs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus

from harness.cluster.exchange import Answer, Request, Route, refusal
from harness.cluster.web import serve
from harness.diagnosis import events
from harness.guest import install
from harness.guest.install import STAGE
from harness.images.live_iso import pack, with_ignition
from harness.images.live_media import LiveMedia
from harness.model.ignition import Document, render
from harness.node.ssh import Session
from harness.scenarios import stages, start
from harness.scenarios.config import insist_valid
from harness.scenarios.scenario import Inputs, Rig
from harness.scenarios.start import Boot, MachinePlan

DISK_BYTES = 10 << 30
"""A disk that an install fits on; it takes no room before something is written."""
_KEPT = "medium-config.json"
_SCRIPT, _KERNEL, _INITRAMFS, _CONFIG = "/boot.ipxe", "/vmlinuz", "/initrd.img", "/config.img"
_ROOTFS, _METAL = "/rootfs.img", "/metal.raw.zst"
# 8250.nr_uarts: an emulated machine has one serial port, and waits for the others.
_ARGUMENTS = (
    "console=ttyS0,115200n8", "8250.nr_uarts=1", "random.trust_cpu=on", "ip=dhcp", "rd.neednet=1",
    "ignition.firstboot", "ignition.platform.id=metal",
)  # fmt: skip
_PEAKS = re.compile(r"/var/ostreecontainer (\d+) bytes, /run/ephemeral (\d+) bytes")
_MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryBudget:
    """The most that a live system may keep in memory, in MiB.

    `node_image` is what /var/ostreecontainer holds, of the 5 GiB that the installer gives it;
    `writable` is what /etc and /var hold.
    """

    node_image_mib: int = 4608
    writable_mib: int = 1024


def live_plan(name: str, memory_mib: int) -> MachinePlan:
    """Return the plan of a machine with a blank disk, for a medium."""
    return MachinePlan(name=name, memory_mib=memory_mib, is_blank=True, disk_bytes=DISK_BYTES)


@contextmanager
def booted_from_iso(
    rig: Rig, inputs: Inputs, plan: MachinePlan, document: Document
) -> Iterator[Boot]:
    """Hold a machine that boots a copy of the live ISO with `document` embedded.

    Raises:
        InputError: there is no live ISO, or `ignition-validate` refuses the config.
        RigError: the host cannot start the machine.
    """
    text = render(document)
    insist_valid(text, rig.run.folder)
    copy = rig.run.scratch / f"{plan.name}.iso"
    try:
        iso = with_ignition(inputs.live_iso(), text, copy)
        with start.switched_on(rig, inputs, replace(plan, cdrom=iso), None) as boot:
            # Before anything is read of the machine: its secrets are known from now on.
            boot.evidence.keep_config(document, _KEPT)
            yield boot
    finally:
        copy.unlink(missing_ok=True)


@contextmanager
def booted_from_network(
    rig: Rig, inputs: Inputs, plan: MachinePlan, document: Document
) -> Iterator[Boot]:
    """Hold a machine that boots the live system by iPXE, with `document` in a second initramfs.

    Raises:
        InputError: there are no live media, or `ignition-validate` refuses the config.
        RigError: the host cannot start the machine.
    """
    text = render(document)
    insist_valid(text, rig.run.folder)
    routes = _routes(inputs.live(rig.run.scratch), text)
    with serve(routes) as web:
        rig.redactor.add(web.token)
        # QEMU's command line, which every user of the host can read, leads to the script.
        routes[_SCRIPT] = once(ipxe_script(web.url_in_guest, routes).encode())
        plan = replace(plan, netboot=f"{web.url_in_guest}{_SCRIPT}")
        with start.switched_on(rig, inputs, plan, None) as boot:
            boot.evidence.keep_config(document, _KEPT)
            yield boot


def ipxe_script(url: str, routes: Collection[str]) -> str:
    """Return what iPXE is to do: load kernel and both initramfs from `url`, and start."""
    arguments = [*_ARGUMENTS, f"coreos.live.rootfs_url={url}{_ROOTFS}"]
    if _METAL in routes:
        arguments.append(f"coreos.inst.image_url={url}{_METAL}")
    return (
        f"#!ipxe\nkernel {url}{_KERNEL} {' '.join(arguments)}\n"
        f"initrd {url}{_INITRAMFS}\ninitrd {url}{_CONFIG}\nboot\n"
    )


def once(body: bytes) -> Route:
    """Serve `body` to the first who asks for it, and to nobody else."""
    left = [body]

    def answer(asked: Request) -> Answer:
        try:
            return Answer(body=left.pop())
        except IndexError:
            return refusal(HTTPStatus.GONE, f"{asked.path} was fetched already")

    return answer


def _routes(live: LiveMedia, config: str) -> dict[str, Route]:
    routes: dict[str, Route] = {
        _KERNEL: live.kernel, _INITRAMFS: live.initramfs, _ROOTFS: live.rootfs,
        _CONFIG: once(pack(config)),
    }  # fmt: skip
    if live.metal is not None:
        routes[_METAL] = live.metal
        routes[f"{_METAL}.sha256"] = live.metal.with_name(f"{live.metal.name}.sha256")
    return routes


def insist_on_budget(boot: Boot, budget: MemoryBudget) -> None:
    """Tell what lay in memory at most, and hold it to `budget`.

    Raises:
        ProductError: it was more, or the machine told nothing of it.
    """
    boot.watch.insist_alive()
    told = [match for event in boot.watch.events if (match := _PEAKS.search(event.detail))]
    if not told:
        raise boot.watch.failed("the live system told nothing of what it keeps in memory")
    image, writable = (max(-(-int(match[number]) // _MIB) for match in told) for number in (1, 2))
    boot.watch.note(memory_peaks_mib={"/var/ostreecontainer": image, "/run/ephemeral": writable})
    boot.watch.say(f"in memory at most: node image {image} MiB, /etc and /var {writable} MiB")
    if image > budget.node_image_mib or writable > budget.writable_mib:
        raise boot.watch.failed(
            f"too much in memory: node image {image} MiB of {budget.node_image_mib}, "
            f"/etc and /var {writable} MiB of {budget.writable_mib}"
        )


def follow_install(boot: Boot, session: Session) -> None:
    """Follow the machine through its install and reboot, and log in to the installed system.

    Raises:
        ProductError: the install failed or took too long, or the disk does not boot.
        RigError: QEMU ended, or the harness's own part in the guest failed.
    """
    limits = install.Limits().scaled(boot.rig.timeout_factor)
    stages.wait_for_stage(boot, STAGE, limits.told_s)
    boot.timings_s.update(events.durations_s(boot.watch.events))
    with boot.timed("installed-boot"):
        stages.wait_for_boot(boot, session, 2)  # the live system was the first
