"""Finds and checks what is under test before any machine starts, each part at its first use.

Nothing here opens a run. A collection that only needs the expectation table reads only the node
image, and a wrong input is reported before the first test.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property

from harness import doctor
from harness.cluster.payload import Payload
from harness.folders import cache_dir
from harness.host_needs import Purpose
from harness.images.acquire.cache import Cache
from harness.images.bootimage import BootImage, published_name
from harness.images.container import node_image, release
from harness.images.container.contents import Contents, contents_of
from harness.images.container.node_image import NodeImage
from harness.images.container.release import Released
from harness.images.container.skopeo import Source
from harness.images.container.streams import StreamWish, version_in_name
from harness.images.reference import parse as parse_reference
from harness.machine import acceleration
from harness.machine.acceleration import Acceleration
from harness.machine.domain import hardware
from harness.machine.domain.emulator import Emulator, find_emulator
from harness.model import ignition
from harness.model.clock import Deadline
from harness.model.errors import HarnessError, InputError
from harness.model.secret import Secret
from harness.player.given import Given
from harness.player.inputs import given_of
from harness.player.plan import BOOTIMAGE, MachinePlan
from harness.player.scenario import Scenario
from harness.standin import build
from harness.standin.build import StandIn
from harness.verdict import expectations
from harness.verdict.choice import choose
from harness.verdict.expectations import Expectations
from harness.waiting import WaitReporter
from harness.workplace import named_files
from harness.workplace.config_release import compared, digests_in
from harness.workplace.images import ACQUIRE_S, NamedImages
from harness.workplace.options import Settings
from harness.workplace.requirements import hardware_of, require

LOG = logging.getLogger(__name__)
CONTENTS_S = 1800.0
LOOK_S = 300.0
STAND_IN = "stand-in"


class Preparation:
    """The checked inputs of one pytest process; `close` releases cached files."""

    def __init__(self, settings: Settings, report: Callable[[str], None]) -> None:
        self.settings = settings
        self._report = WaitReporter.of(report)
        self._held = ExitStack()
        self.is_checked = False

    def require_needs(self, scenario: Scenario) -> None:
        """Raise if something that `scenario` needs was not given and no stand-in replaces it.

        Raises:
            InputError: the scenario could not come up.
        """
        require(scenario, self.settings, lambda: self.given, self.images)

    @property
    def given(self) -> Given:
        """What the steps of scenarios may depend on, known before anything is opened."""
        return given_of(self.bootstrap_ignition, self.live_ignition, self.settings.is_stand_in)

    def check(self, plans: Sequence[MachinePlan] = ()) -> None:
        """Find and check everything, the cheap things first.

        Raises:
            InputError: something that the user named cannot be used, or the host lacks something.
            RigError: something could not be fetched or built.
        """
        with self._report.awaiting("checking the host and all inputs"):
            self._check(plans)
        self.is_checked = True

    def _check(self, plans: Sequence[MachinePlan]) -> None:
        if self.settings.expectations:
            _ = self.expectations
        media = [plan.medium for plan in plans]
        self.images.check(media)
        doctor.demand(self._purposes())
        for wanted in {
            self.settings.hardware,
            *(hardware_of(plan, self.settings) for plan in plans),
        }:
            doctor.demand(hardware.needs(self.emulator.arch, wanted))
        _ = (self.authfile, self.extra_ignition, self.bootstrap_ignition, self.live_ignition)
        _ = self.acceleration
        _ = (self.node_image, self.config_release, self.expectations)
        with self._report.awaiting("checking the disk images"):
            _ = self.bootimage
            self.images.acquire(media)

    def package_of(self, command: str) -> str | None:
        """Return the node image's package that contains a command, None if unknown."""
        return self.contents.package_of(command) if self.contents else None

    def known_package_of(self, command: str) -> str | None:
        """Return the same if the image was already read, else None."""
        return self.package_of(command) if "contents" in vars(self) else None

    def close(self) -> None:
        """Release the cache's files; closing twice is fine."""
        self._held.close()

    @cached_property
    def authfile(self) -> Secret | None:
        """The text of the pull secret."""
        path = self.settings.authfile
        return Secret(named_files.text_of(path, "--authfile")) if path else None

    @cached_property
    def extra_ignition(self) -> tuple[ignition.Document, ...]:
        """The user's Ignition configs, each valid."""
        return tuple(named_files.config_of(path, "--ignition") for path in self.settings.ignition)

    @cached_property
    def bootstrap_ignition(self) -> ignition.Document | None:
        """The installer's own bootstrap config."""
        path = self.settings.bootstrap_ignition
        return named_files.bootstrap_config_of(path) if path else None

    @cached_property
    def live_ignition(self) -> ignition.Document | None:
        """The installer's own config of a live system."""
        path = self.settings.live_ignition
        return named_files.live_config_of(path) if path else None

    @cached_property
    def emulator(self) -> Emulator:
        """The QEMU to run."""
        return find_emulator()

    @cached_property
    def acceleration(self) -> Acceleration:
        """How guests run here; raises if KVM is required and does not work."""
        with self._report.awaiting("testing KVM with a guest"):
            found = acceleration.probe(self.emulator, Deadline.after(LOOK_S))
        if self.settings.require_kvm:
            acceleration.require_kvm(found)
        return found

    @cached_property
    def expectations(self) -> Expectations:
        """The table by which the node is judged; for the stand-in known without building it."""
        if self.settings.expectations:
            found = expectations.load(self.settings.expectations)
            return replace(found, reason="named by --expectations")
        if self.settings.is_stand_in:
            return expectations.load(STAND_IN)
        version = self.released.version if self.released else ""
        return choose(self.node_image.labels, version)

    @cached_property
    def node_source(self) -> Source:
        """Where to read the node image, with the credentials."""
        if self.settings.release_image and self.released:
            source = self._source(self.settings.release_image)
            return replace(source, reference=self.released.reference)
        return self._source(self.settings.node_image or self._stand_in.node_image)

    @cached_property
    def released(self) -> Released | None:
        """What the release names as its node image, None without a release."""
        settings = self.settings
        if settings.release_image is None:
            return None
        wish = self._wish
        if settings.os_stream:
            wish = replace(wish, name=settings.os_stream, by="--os-stream")
        source, limit = self._source(settings.release_image), Deadline.after(ACQUIRE_S)
        return release.node_image_of(source, wish, self._cache, limit)

    @cached_property
    def config_release(self) -> str:
        """How the release of the installer's config goes with the node image, in words.

        Empty without a config. A run with stand-ins makes a release of its own.

        Raises:
            InputError: the config would install another node image.
        """
        named = self.given.release
        if not named or self.settings.is_stand_in:
            return ""
        with self._report.awaiting("looking at the release of the config"):
            return compared(
                named, self.node_image, self.settings.release_image or "",
                lambda spec: digests_in(self._source(f"docker://{spec}"), self._wish, self._cache),
            )  # fmt: skip

    @cached_property
    def node_image(self) -> NodeImage:
        """The node image, by digest."""
        with self._report.awaiting("looking at the node image"):
            image = node_image.resolve(self.node_source, Deadline.after(LOOK_S))
        if (reason := image.why_not_node_image()) is not None:
            remedy = "Name a node image with --node-image, or its release with --release-image."
            raise InputError(str(image.reference), f"not a node image: {reason}", remedy)
        return image

    @property
    def bootimage(self) -> BootImage:
        """The bootimage, verified and unpacked."""
        return self.images.disk(BOOTIMAGE)

    @cached_property
    def images(self) -> NamedImages:
        """All disk images and live ISOs, by their keys."""
        return NamedImages(self.settings, lambda: self._stand_in, lambda: self._cache)

    @property
    def payload(self) -> Payload | None:
        """The parts of the stand-in's control plane, None with other images."""
        return self._stand_in.payload if self.settings.is_stand_in else None

    @cached_property
    def contents(self) -> Contents | None:
        """The programs of the node image and their packages; None if they cannot be read.

        Read only if a command is missing: a remote image costs a download.
        """
        source = replace(self.node_source, reference=self.node_image.reference)
        try:
            with self._report.awaiting("listing the programs of the node image"):
                return contents_of(self.node_image, source, self._cache, Deadline.after(CONTENTS_S))
        except HarnessError as exc:
            LOG.warning("what brings missing commands is not known: %s", exc)
            return None

    @cached_property
    def _cache(self) -> Cache:
        cache = Cache.of_user(self.settings.download_cache_bytes, self._report)
        return self._held.enter_context(cache)

    @cached_property
    def _stand_in(self) -> StandIn:
        return build.ensure(Deadline.after(build.LIMIT_S), self._report)

    def _purposes(self) -> list[Purpose]:
        """Return what the host is needed for; cached stand-in images need no tools."""
        has_built = any((cache_dir() / "standin").glob("*/version"))
        builds = self.settings.is_stand_in and not has_built
        return [Purpose.MACHINE, *([Purpose.STANDIN] if builds else [])]

    @property
    def _wish(self) -> StreamWish:
        """The stream that the config names, else the bootimage's."""
        variant = self.given.installer
        name = published_name(self.settings.bootimage or "", Deadline.after(LOOK_S))
        bootimage = version_in_name(name)
        tag = variant.image_tag if variant is not None else ""
        return StreamWish(name=tag, by="the config's coreos_img", bootimage=bootimage)

    def _source(self, reference: str) -> Source:
        parsed = parse_reference(reference)
        authfile, arch = self.settings.authfile, self.settings.arch
        return Source(reference=parsed, arch=arch, authfile=authfile, report=self._report)
