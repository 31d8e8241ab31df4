"""Which of the installer's ways a bootstrap config goes, read from the config itself. Pure.

The scripts and units that add the node layer to a bare bootimage differ between releases of the
installer. The variant is reported, and says where to look. Nothing is changed.

Source: openshift/installer data/data/bootstrap and pkg/asset/ignition/bootstrap/common.go, from the
first live-apply (November 2024) on.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from harness.images.acquire.url import shown_url
from harness.model.errors import InputError
from harness.model.ignition import Document
from harness.model.ignition.fields import decode, object_of, objects_of, text_of

_BIN = "/usr/local/bin/"
_UNITS = "/etc/systemd/system/"
_GENERATORS = "/etc/systemd/system-generators/"
_MANAGER = "/etc/systemd/system.conf.d/"
_READ = (_BIN, _UNITS, _GENERATORS, _MANAGER, "/etc/mco/", "/etc/sysconfig/")

_PULL = "node-image-pull.service"
_FINISH = "node-image-finish.service"
_OVERLAYS = ("node-image-overlay.service", "node-image-pivot.service")
"""The unit that overlays the node image on /usr; the first installers had the second name."""
_TMPFS = ("var-ostreecontainer.mount", r"var-ostree\x2dcontainer.mount")
_IN_PLACE = "install-to-disk.service"
_BOOTKUBE = "bootkube.service"
_REPORTED = (_PULL, "release-image.service", "crio-configure.service")
_EXPECTED_UNITS = (
    _PULL, "release-image.service", "crio-configure.service", "kubelet.service", _BOOTKUBE,
)  # fmt: skip
_EXPECTED_SCRIPTS = ("node-image-pull.sh", "release-image.sh", "release-image-download.sh")

_CHECKOUTS = ("/var/ostreecontainer", "/var/ostree-container")
_ON_DISK = "/ostree/repo/tmp/node-image"
_SPARED = re.compile(r"^KillMode=none$", re.MULTILINE)
_ISOLATES = re.compile(r"^ExecStart=.*\bisolate multi-user\.target$", re.MULTILINE)
_SSHD = re.compile(r"restart\s+sshd")
_STREAM_TAG = re.compile(r"^\s*(?:local\s+)?coreos_img=[\"']?([\w.-]+)", re.MULTILINE)
_RELEASE = re.compile(r"^RELEASE_IMAGE=[\"']?([^\"'\s]+)", re.MULTILINE)
_DISK = re.compile(r"^\s*coreos-installer install\b.*\s(/dev/\S+)\s*$", re.MULTILINE)
_PROXY = re.compile(r"\bhttps?_proxy=[\"']?[^\s\"']", re.IGNORECASE)
_NO_PROXY = re.compile(r"\bno_proxy=[\"']?([^\"'\s]*)", re.IGNORECASE)
_ENVIRONMENT = re.compile(r"^Environment=.*$", re.MULTILINE)
_ENVIRONMENT_FILE = re.compile(r"^EnvironmentFile=-?(/\S+)$", re.MULTILINE)
_ROLE = re.compile(r"node-role\.kubernetes\.io/([a-z-]+)")
_SERVED = re.compile(r":22623/config/([\w.-]+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What a bootstrap config does, as far as installers differ.

    `overlay_unit` overlays the node image on /usr, empty if there is none. `reported` are the units
    of the config whose failure ends a bootstrap. `missing` names what every installer with
    live-apply writes, and this config lacks. `image_tag` names the node image within the release,
    as `rhel-coreos-10` for the RHEL 10 stream. `disk` is where a single node installs itself to.
    `no_proxy` is what its units reach without their proxy, None where they have none;
    `no_proxy_of` the same for units that say it themselves.
    """

    is_in_place: bool = False
    disk: str = ""
    has_generator: bool = False
    overlay_unit: str = ""
    has_finish: bool = False
    is_finish_spared: bool = False
    checkouts: tuple[str, ...] = ()
    has_tmpfs: bool = False
    sshd_restart: str = ""
    pause_by: tuple[str, ...] = ()
    release: str = ""
    image_tag: str = ""
    no_proxy: str | None = None
    no_proxy_of: Mapping[str, str] = field(default_factory=dict)
    reported: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def __str__(self) -> str:
        kind = "single node, bootstrap in place" if self.is_in_place else "bootstrap machine"
        said = [
            f"the installer's own config ({kind}): ",
            "live-apply by a generator" if self.has_generator else "no generator for live-apply",
            f", {self._way_back}",
            f", checkout in {' or '.join(self.checkouts)}" if self.checkouts else "",
            ", a tmpfs for it on live media" if self.has_tmpfs else "",
            f", sshd restarted by {self.sshd_restart}" if self.sshd_restart else "",
            f", pause image by {' and '.join(self.pause_by) or 'nothing'}",
            f", installs to {self.disk}" if self.disk else "",
            ", through a proxy" if self.has_proxy else "",
            f"; release image {self.release}" if self.release else "; no release image found",
            f", of it {self.image_tag}" if self.image_tag else "",
            f"; missing: {', '.join(self.missing)}" if self.missing else "",
        ]
        return "".join(said)

    @property
    def has_proxy(self) -> bool:
        """Whether its units go through a proxy."""
        return self.no_proxy is not None or bool(self.no_proxy_of)

    @property
    def _way_back(self) -> str:
        if not self.has_finish:
            return "no finish unit"
        return "finish unit with KillMode=none" if self.is_finish_spared else "finish unit"


def variant_of(document: Document) -> Variant:
    """Return what the bootstrap config in `document` does.

    Raises:
        InputError: the contents of one of its files are damaged.
    """
    units, files = _texts(document)
    overlay = next((name for name in _OVERLAYS if name in units), "")
    overlay_script = files.get(_BIN + overlay.replace(".service", ".sh"), "")
    return Variant(
        is_in_place=_IN_PLACE in units or f"{_BIN}bootstrap-in-place.sh" in files,
        disk=_disk(files),
        has_generator=any(_generator(name) in files for name in _OVERLAYS),
        overlay_unit=overlay,
        has_finish=_FINISH in units,
        is_finish_spared=bool(_SPARED.search(units.get(_FINISH, ""))),
        checkouts=_checkouts(files.get(f"{_BIN}node-image-pull.sh", "") + overlay_script),
        has_tmpfs=any(name in units for name in _TMPFS),
        sshd_restart=_sshd_restart(overlay_script, units),
        pause_by=_pause_by(units, files),
        release=_release(files),
        image_tag=_found(_STREAM_TAG, files.get(f"{_BIN}node-image-pull.sh", "")),
        no_proxy=_no_proxy("\n".join(files[path] for path in files if path.startswith(_MANAGER))),
        no_proxy_of=dict(_no_proxy_of(units, files)),
        reported=tuple(name for name in (*_REPORTED, overlay) if name in units),
        missing=tuple(_missing(overlay, units, files)),
    )


def require_bootstrap(document: Document, subject: str) -> None:
    """Return if `document` is a bootstrap config of the installer; errors call it `subject`.

    Raises:
        InputError: it is something else; says what, and what to give instead.
    """
    units, files = _texts(document)
    if _BOOTKUBE in units or f"{_BIN}bootkube.sh" in files:
        _require_live_apply(variant_of(document), subject)
        return
    remedy = "Use the bootstrap.ign of `openshift-install create ignition-configs`."
    if fetched := _fetched(document):
        role = _SERVED.search(fetched[0])
        whose = f"of a {role[1]} machine " if role else ""
        problem = f"a pointer config {whose}that fetches {shown_url(fetched[0])}"
        nearby = "Use the bootstrap.ign of the same folder."
        raise InputError(subject, problem, nearby if role else "Use the config that it fetches.")
    if any(name.startswith("machine-config-daemon-") for name in units):
        role = _ROLE.search(units.get("kubelet.service", ""))
        whose = f"a {role[1]}" if role else "a machine"
        problem = f"the config that a machine-config server serves to {whose}"
        raise InputError(subject, problem, remedy)
    raise InputError(subject, f"not a bootstrap config: it has no {_BOOTKUBE}", remedy)


def _require_live_apply(variant: Variant, subject: str) -> None:
    if not (variant.overlay_unit or variant.has_generator):
        problem = f"cannot live-apply a node image: it lacks {', '.join(variant.missing)}"
        remedy = "Use the bootstrap.ign of an openshift-install of 4.19 or later."
        raise InputError(subject, problem, remedy)


def _texts(document: Document) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return units by name and files by path; units that are plain files are among both."""
    files = dict(_files(document))
    units = {
        path.removeprefix(_UNITS): text
        for path, text in files.items()
        if path.startswith(_UNITS) and "/" not in path.removeprefix(_UNITS)
    }
    for unit in objects_of(object_of(document, "systemd"), "units"):
        # An entry with drop-ins alone leaves a unit that is a plain file as it is.
        name = text_of(unit, "name")
        units[name] = text_of(unit, "contents") or units.get(name, "")
    return units, files


def _files(document: Document) -> Iterator[tuple[str, str]]:
    for file in objects_of(object_of(document, "storage"), "files"):
        path, contents = text_of(file, "path"), object_of(file, "contents")
        source = text_of(contents, "source")
        if not path.startswith(_READ):
            continue
        try:
            is_here = source.startswith("data:")
            raw = decode(source, text_of(contents, "compression")) if is_here else b""
        except (ValueError, zlib.error) as exc:
            problem = f"unreadable contents of {path}: {exc}"
            raise InputError(
                "the bootstrap config", problem, "Check it with `ignition-validate`."
            ) from exc
        yield path, (raw or b"").decode(errors="replace")


def _fetched(document: Document) -> list[str]:
    config = object_of(object_of(document, "ignition"), "config")
    sources = [*objects_of(config, "merge"), object_of(config, "replace")]
    return [url for source in sources if (url := text_of(source, "source"))]


def _generator(overlay_unit: str) -> str:
    return _GENERATORS + overlay_unit.replace(".service", "-generator")


def _checkouts(scripts: str) -> tuple[str, ...]:
    on_disk = (_ON_DISK,) if "/ostree/repo" in scripts and "tmp/node-image" in scripts else ()
    return (*on_disk, *(place for place in _CHECKOUTS if place in scripts))


def _sshd_restart(overlay_script: str, units: Mapping[str, str]) -> str:
    if _SSHD.search(overlay_script):
        return "the overlay"
    return next((name for name in units if name == "restart-sshd.service"), "")


def _pause_by(units: Mapping[str, str], files: Mapping[str, str]) -> tuple[str, ...]:
    kubelet = units.get("kubelet.service", "") + files.get(f"{_BIN}kubelet.sh", "")
    crio = files.get(f"{_BIN}crio-configure.sh", "")
    found = {
        "crio.conf": "pause_image" in crio,
        "kubelet's flag": "--pod-infra-container-image" in kubelet,
    }
    return tuple(name for name, is_there in found.items() if is_there)


def _release(files: Mapping[str, str]) -> str:
    return _found(_RELEASE, files.get(f"{_BIN}release-image-download.sh", ""))


def _no_proxy(environment: str) -> str | None:
    return _found(_NO_PROXY, environment) if _PROXY.search(environment) else None


def _no_proxy_of(units: Mapping[str, str], files: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, text in units.items():
        lines = "\n".join(_ENVIRONMENT.findall(text))
        read = "\n".join(files.get(path, "") for path in _ENVIRONMENT_FILE.findall(text))
        # A file counts more than the unit's own line.
        found = [value for value in map(_no_proxy, (read, lines)) if value is not None]
        if found:
            yield name, found[0]


def _disk(files: Mapping[str, str]) -> str:
    return _found(_DISK, files.get(f"{_BIN}install-to-disk.sh", ""))


def _found(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""


def _missing(overlay: str, units: Mapping[str, str], files: Mapping[str, str]) -> Iterator[str]:
    unit = overlay or _OVERLAYS[0]
    script, target = (unit.replace(".service", end) for end in (".sh", ".target"))
    if _generator(unit) not in files:
        yield _generator(unit).removeprefix(_GENERATORS)
    finishes = _FINISH in units or _ISOLATES.search(units.get(unit, ""))
    expected = (target, unit, *_EXPECTED_UNITS, *(() if finishes else (_FINISH,)))
    yield from (name for name in expected if name not in units)
    yield from (name for name in (script, *_EXPECTED_SCRIPTS) if _BIN + name not in files)
