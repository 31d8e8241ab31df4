"""Reads the plugin's options into frozen `Settings`, and checks what belongs together.

An option `--some-name` is also the environment variable NODE_IMAGE_SOME_NAME and the setting
node_image_some_name in pyproject.toml, pytest.ini or tox.ini; `places` has their order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from harness.machine.domain.architecture import architecture
from harness.machine.domain.emulator import host_architecture
from harness.machine.domain.hardware import PLAIN, Hardware
from harness.machine.domain.hardware import parse as parse_hardware
from harness.model import shard
from harness.model.errors import InputError
from harness.model.shard import Shard
from harness.player.plan import BOOTIMAGE, FAT, LIVE_ISO
from harness.scenarios.catalogue import EVERY_SCENARIO
from harness.workplace.option_table import DEFAULT_SCENARIO, DEFAULT_URI, OPTIONS
from harness.workplace.places import Places

DEFAULT_CACHE_BYTES = 20 << 30
_KEYS = {FAT: "fat-bootimage", LIVE_ISO: "live-iso"}
_KEY = re.compile(r"[a-z][a-z0-9-]*")
_BY_NAME = {option.name: option for option in OPTIONS}


class Checkpoints(StrEnum):
    """How long checkpoints last."""

    RUN = "run"
    KEEP = "keep"
    KEEP_SECRETS = "keep-secrets"

    @property
    def outlive_runs(self) -> bool:
        """Whether later runs start from them."""
        return self is not Checkpoints.RUN


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The user's options. Without bootimage and node image the stand-ins are used.

    A node image alone can be judged by contract tests, but not booted.

    `images` has the paths and URLs of other images by their keys, such as `fat`.
    """

    bootimage: str | None
    images: Mapping[str, str] = field(default_factory=dict)
    shard: Shard | None = None
    until: str | None = None
    debug_node: bool = False
    fresh: bool = False
    checkpoints: Checkpoints = Checkpoints.RUN
    hardware: Hardware = PLAIN
    bootimage_sha256: str | None
    node_image: str | None
    release_image: str | None
    os_stream: str | None = None
    base_image: str | None = None
    extensions: str | None = None
    driver_toolkit: str | None = None
    arch: str = field(default_factory=host_architecture)
    authfile: Path | None
    ignition: tuple[Path, ...]
    bootstrap_ignition: Path | None = None
    live_ignition: Path | None = None
    expectations: str | None
    scenarios: tuple[str, ...]
    libvirt_uri: str
    require_kvm: bool
    timeout_factor: float
    memory_mib: int | None
    artifacts_dir: Path | None
    allow: Path | None
    rules: tuple[Path, ...] = ()
    history: Path | None
    download_cache_bytes: int

    @property
    def is_stand_in(self) -> bool:
        """Whether the stand-in images are used."""
        return self.bootimage is None and not self.has_node_image

    @property
    def has_node_image(self) -> bool:
        """Whether the user named a node image, or a release that has one."""
        return bool(self.node_image or self.release_image)

    @property
    def has_many_scenarios(self) -> bool:
        """Whether more than one machine may be up at once, under xdist."""
        return len(self.scenarios) > 1 or EVERY_SCENARIO in self.scenarios


def read(
    command_line: Mapping[str, object],
    environment: Mapping[str, str],
    settings: Mapping[str, str],
    settings_folder: Path,
) -> Settings:
    """Return the options from command line, environment and settings file.

    Raises:
        InputError: a value is malformed, or the images do not belong together.
    """
    places = Places(_BY_NAME, command_line, environment, settings, settings_folder)
    found = Settings(
        bootimage=places.text("bootimage"),
        images=_images(places),
        shard=_shard(places, environment),
        until=places.text("until"),
        debug_node=places.switch("debug-node"),
        fresh=places.switch("fresh"),
        checkpoints=_checkpoints(places),
        bootimage_sha256=places.text("bootimage-sha256"),
        node_image=places.text("node-image"),
        release_image=places.text("release-image"),
        os_stream=places.text("os-stream"),
        base_image=places.text("base-image"),
        extensions=places.text("extensions"),
        driver_toolkit=places.text("driver-toolkit"),
        arch=_arch(places),
        authfile=places.file("authfile"),
        ignition=places.files("ignition"),
        bootstrap_ignition=places.file("bootstrap-ignition"),
        live_ignition=places.file("live-ignition"),
        expectations=places.text("expectations"),
        scenarios=tuple(dict.fromkeys(places.texts("scenario"))) or (DEFAULT_SCENARIO,),
        libvirt_uri=places.text("libvirt-uri") or DEFAULT_URI,
        require_kvm=places.switch("require-kvm"),
        timeout_factor=places.factor("timeout-factor") or 1.0,
        memory_mib=places.memory_mib("memory-mib"),
        hardware=_hardware(places),
        artifacts_dir=places.file("artifacts-dir") or _artifact_dir(environment),
        allow=places.file("allow"),
        rules=places.files("rules"),
        history=places.file("history"),
        download_cache_bytes=places.size_bytes("download-cache-size") or DEFAULT_CACHE_BYTES,
    )
    _check_images(found)
    return found


def _images(places: Places) -> dict[str, str]:
    """Return the images by their keys, without the bootimage."""
    found = {
        key: text for key, option in _KEYS.items() if (text := places.text(option)) is not None
    }
    for text in places.texts("image"):
        where, _ = places.given("image")
        key, equals, image = text.partition("=")
        if not equals or not image or not _KEY.fullmatch(key):
            problem = f"{text!r} is not KEY=PATH|URL, with a KEY of a-z, 0-9 and -"
            raise InputError(where, problem, "Write it as in uki=uki.qcow2.")
        if (option := {BOOTIMAGE: "bootimage", **_KEYS}.get(key)) is not None:
            problem = f"the image {key!r} has its own option"
            raise InputError(where, problem, f"Use --{option}.")
        if key in found:
            raise InputError(where, f"the image {key!r} is given twice", "Remove one of the two.")
        found[key] = image
    return found


def _shard(places: Places, environment: Mapping[str, str]) -> Shard | None:
    where, text = places.given("shard")
    index = environment.get(shard.COMPLETION_INDEX, "").strip()
    return shard.parse(where, text.strip(), index) if text else None


def _checkpoints(places: Places) -> Checkpoints:
    where, text = places.given("checkpoints")
    try:
        found = Checkpoints(text or Checkpoints.RUN)
    except ValueError as exc:
        known = ", ".join(Checkpoints)
        raise InputError(where, f"{text!r} is not a mode", f"Use one of: {known}.") from exc
    if not found.outlive_runs or not places.switch("fresh"):
        return found
    fresh, _ = places.given("fresh")
    if fresh == _BY_NAME["fresh"].flag and where != _BY_NAME["checkpoints"].flag:
        return Checkpoints.RUN  # what a project or a user does usually, but not this time
    problem = f"contradict each other: with {fresh} no checkpoint is used or made"
    raise InputError(f"{fresh} and {where}", problem, "Remove one of them.")


def _hardware(places: Places) -> Hardware:
    where, text = places.given("hardware")
    try:
        return parse_hardware(text or "")
    except InputError as exc:
        raise InputError(f"{where} {exc.subject}", exc.problem, exc.remedy) from exc


def _arch(places: Places) -> str:
    where, text = places.given("arch")
    try:
        return architecture(text).name if text else host_architecture()
    except InputError as exc:
        raise InputError(f"{where} {exc.subject}", exc.problem, exc.remedy) from exc


def _artifact_dir(environment: Mapping[str, str]) -> Path | None:
    # Set by OpenShift's CI (Prow), which publishes what it finds there.
    text = environment.get("ARTIFACT_DIR")
    return Path(text) / "node-image" if text else None


def _check_images(settings: Settings) -> None:
    if settings.node_image and settings.release_image:
        raise InputError(
            "--node-image and --release-image", "both name the node image", "Remove one of them."
        )
    if settings.bootimage and not settings.has_node_image:
        raise InputError(
            "--bootimage", "given without a node image",
            "Add --node-image or --release-image, or remove the option to use the stand-ins.",
        )  # fmt: skip
    if settings.os_stream and not settings.release_image:
        raise InputError("--os-stream", "given without a release", "Add --release-image.")
    if settings.arch != host_architecture() and not settings.has_node_image:
        raise InputError(
            f"--arch {settings.arch}", "given without a node image",
            "Add --node-image or --release-image; the stand-ins are for this host.",
        )  # fmt: skip
    if settings.bootimage_sha256 and not settings.bootimage:
        raise InputError("--bootimage-sha256", "given without --bootimage", "Add --bootimage.")


def require_bootable(settings: Settings) -> None:
    """Raise if there is a node image, but nothing to boot, or nothing that boots on this host.

    Raises:
        InputError: only the node image, or the release, was named, or another architecture.
    """
    if settings.arch != host_architecture():
        raise InputError(
            f"--arch {settings.arch}", f"machines are of this host's {host_architecture()}",
            "Run only contract tests with -m contract, or remove the option.",
        )  # fmt: skip
    if settings.has_node_image and not settings.bootimage:
        raise InputError(
            "--node-image" if settings.node_image else "--release-image",
            "given without a bootimage",
            "Add --bootimage, run only contract tests with -m contract, or remove the option to "
            "use the stand-ins.",
        )  # fmt: skip
