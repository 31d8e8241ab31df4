"""The plugin's options: one row each, which are read into frozen `Settings`.

An option `--some-name` is also the environment variable NODE_IMAGE_SOME_NAME and the setting
node_image_some_name in pyproject.toml, pytest.ini or tox.ini; `places` has their order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.machine.domain.hardware import PLAIN, Hardware
from harness.machine.domain.hardware import parse as parse_hardware
from harness.model.errors import InputError
from harness.player.plan import BOOTIMAGE, FAT, LIVE_ISO
from harness.scenarios.catalogue import EVERY_SCENARIO
from harness.workplace.places import Option, Places

DEFAULT_SCENARIO = "ipi_bootstrap"
DEFAULT_URI = "qemu:///embed"
DEFAULT_CACHE_BYTES = 20 << 30


OPTIONS = (
    Option(
        name="bootimage", metavar="PATH|URL", path=True,
        help="Bootimage: a qcow2 or raw disk image, plain or .gz, .xz or .zst, or a disk in CoreOS "
        "stream metadata as stream:FILE#x86_64/qemu/qcow2.gz (FILE may be a URL). Without it and "
        "--node-image the stand-in images are used; the first run builds them.",
    ),
    Option(
        name="bootimage-sha256", metavar="SUM",
        help="sha256 sum of the published bootimage. A URL needs it, or a .sha256 file beside it.",
    ),
    Option(
        name="fat-bootimage", metavar="PATH|URL", path=True,
        help="Bootimage with the node layer inside, for the scenario fat. "
        "Default with the stand-ins: the stand-in.",
    ),
    Option(
        name="live-iso", metavar="PATH", path=True,
        help="Live ISO of the bootimage's version, for the scenarios that start from live media. "
        "Default with the stand-ins: the stand-in.",
    ),
    Option(
        name="image", metavar="KEY=PATH|URL", repeatable=True, path=True,
        help="Disk image or live ISO (no URL) for a project's scenario whose medium has "
        "image='KEY'. May be repeated.",
    ),
    Option(
        name="node-image", metavar="REFERENCE",
        help="Node image with its transport: docker://, oci:, oci-archive:, dir:, "
        "containers-storage: or docker-archive:.",
    ),
    Option(
        name="release-image", metavar="REFERENCE",
        help="Release image that contains the node image, instead of --node-image.",
    ),
    Option(
        name="os-stream", metavar="NAME",
        help="Stream of the node image in the release, such as rhel-9 or rhel-10. Default: from "
        "the RHEL version in the bootimage's name.",
    ),
    Option(
        name="base-image", metavar="REFERENCE",
        help="CoreOS image that the node image was built from, for contract tests.",
    ),
    Option(
        name="extensions", metavar="REFERENCE",
        help="Extensions image that belongs to the node image, for contract tests. "
        "Default: that of the release.",
    ),
    Option(
        name="driver-toolkit", metavar="REFERENCE",
        help="Driver toolkit that belongs to the node image, for contract tests. "
        "Default: that of the release.",
    ),
    Option(
        name="authfile", metavar="PATH", path=True,
        help="Pull secret for registries. The guest gets it only if it pulls from a remote one.",
    ),
    Option(
        name="ignition", metavar="PATH", repeatable=True, path=True,
        help="Ignition config (JSON, 3.0 to 3.6) to merge into the machines' configs. May be "
        "repeated.",
    ),
    Option(
        name="bootstrap-ignition", metavar="PATH", path=True,
        help="Config of `openshift-install create ignition-configs` (bootstrap.ign) or `create "
        "single-node-ignition-config`, which names its own release. The bootstrap scenarios, sno "
        "and sno_pxe boot it unchanged, with logins and evidence added.",
    ),
    Option(
        name="live-ignition", metavar="PATH", path=True,
        help="Config of a discovery ISO, for the scenario assisted, or of an agent ISO, for the "
        "scenario agent: `coreos-installer iso ignition show` prints it. The scenario boots it "
        "unchanged, with logins and evidence added.",
    ),
    Option(
        name="expectations", metavar="NAME|PATH", path=True,
        help="Expectation table: a built-in name or a TOML file. "
        "Default: selected by the labels of the node image.",
    ),
    Option(
        name="scenario", metavar="NAME", repeatable=True,
        help=f"Scenario that brings a node up, or `{EVERY_SCENARIO}`. May be repeated. "
        f"Default: {DEFAULT_SCENARIO}.",
    ),
    Option(
        name="until", metavar="STEP",
        help="Stop the scenario after this step, print how to log in, and keep the machines until "
        "Ctrl-C. `node-image scenarios` lists the steps.",
    ),
    Option(
        name="fresh",
        help="Boot a machine for each test that asks for a node of its own. Default: such a test "
        "gets a fork, which starts from a checkpoint in seconds.",
    ),
    Option(
        name="libvirt-uri", metavar="URI",
        help=f"libvirt driver, such as qemu:///session. Default: {DEFAULT_URI}, without a daemon.",
    ),
    Option(
        name="require-kvm",
        help="Fail at once if KVM does not work. Default: run in emulation.",
    ),
    Option(
        name="timeout-factor", metavar="NUMBER",
        help="Multiply the time limits for guests, in addition to the factor for emulation. "
        "Default: 1.",
    ),
    Option(
        name="memory-mib", metavar="MIB",
        help="Memory of each machine in MiB. Default: the scenario's.",
    ),
    Option(
        name="hardware", metavar="WORDS",
        help="Hardware of the machines, such as uefi,tpm. Words: bios, uefi, secure-boot, 4k, "
        "multipath, tpm, second-nic. Default: the usual one of the architecture.",
    ),
    Option(
        name="artifacts-dir", metavar="PATH", path=True,
        help="Folder for reports, consoles, journals and snapshots: one folder for each run, and "
        "the link `last`. Default: $ARTIFACT_DIR/node-image, else the cache folder.",
    ),
    Option(
        name="allow", metavar="PATH", path=True,
        help="Allow-list (TOML) of known problems, each with a link to an issue and an expiry "
        "date. They are reported as allowed.",
    ),
    Option(
        name="rules", metavar="PATH", repeatable=True, path=True,
        help="Your own rules of diagnosis (TOML). They apply before the shipped ones; a rule with "
        "the name of a shipped rule replaces it. May be repeated.",
    ),
    Option(
        name="history", metavar="PATH", path=True,
        help="SQLite file, for `node-image history`. Each run that boots machines is added to it.",
    ),
    Option(
        name="download-cache-size", metavar="SIZE",
        help="Limit of the cache of downloaded and unpacked images, in MiB, GiB or TiB, such as "
        "50GiB. Default: 20GiB.",
    ),
)  # fmt: skip
_KEYS = {FAT: "fat-bootimage", LIVE_ISO: "live-iso"}
_KEY = re.compile(r"[a-z][a-z0-9-]*")
_BY_NAME = {option.name: option for option in OPTIONS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The user's options. Without bootimage and node image the stand-ins are used.

    A node image alone can be judged by contract tests, but not booted.

    `images` has the paths and URLs of other images by their keys, such as `fat`.
    """

    bootimage: str | None
    images: Mapping[str, str] = field(default_factory=dict)
    until: str | None = None
    fresh: bool = False
    hardware: Hardware = PLAIN
    bootimage_sha256: str | None
    node_image: str | None
    release_image: str | None
    os_stream: str | None = None
    base_image: str | None = None
    extensions: str | None = None
    driver_toolkit: str | None = None
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
        until=places.text("until"),
        fresh=places.switch("fresh"),
        bootimage_sha256=places.text("bootimage-sha256"),
        node_image=places.text("node-image"),
        release_image=places.text("release-image"),
        os_stream=places.text("os-stream"),
        base_image=places.text("base-image"),
        extensions=places.text("extensions"),
        driver_toolkit=places.text("driver-toolkit"),
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


def _hardware(places: Places) -> Hardware:
    where, text = places.given("hardware")
    try:
        return parse_hardware(text or "")
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
    if settings.bootimage_sha256 and not settings.bootimage:
        raise InputError("--bootimage-sha256", "given without --bootimage", "Add --bootimage.")


def require_bootimage(settings: Settings) -> None:
    """Raise if there is a node image, but nothing to boot.

    Raises:
        InputError: only the node image, or the release, was named.
    """
    if settings.has_node_image and not settings.bootimage:
        raise InputError(
            "--node-image" if settings.node_image else "--release-image",
            "given without a bootimage",
            "Add --bootimage, run only contract tests with -m contract, or remove the option to "
            "use the stand-ins.",
        )  # fmt: skip
