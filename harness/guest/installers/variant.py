"""Which of the installer's ways a bootstrap config goes, read from the config itself. Pure.

The scripts and units that add the node layer to a bare bootimage differ between releases of the
installer. The variant is reported, and says where to look. Nothing is changed.

Source: openshift/installer data/data/bootstrap and pkg/asset/ignition/bootstrap/common.go, from the
first release with live-apply (4.19, January 2025) on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.guest.installers.proxy import NO_PROXY, Proxy, proxy_of
from harness.guest.installers.texts import BIN, GENERATORS, Texts, fetched, found, texts_of
from harness.images.acquire.url import shown_url
from harness.model.errors import InputError
from harness.model.ignition import Document

_PULL = "node-image-pull.service"
_FINISH = "node-image-finish.service"
_OVERLAYS = ("node-image-overlay.service", "node-image-pivot.service")
"""The unit that overlays the node image on /usr; the second is the name before the merge."""
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
_WAY_OUT = "Use the bootstrap.ign of `openshift-install create ignition-configs`."
_ROLE = re.compile(r"node-role\.kubernetes\.io/([a-z-]+)")
_SERVED = re.compile(r":22623/config/([\w.-]+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What a bootstrap config does, as far as installers differ.

    `overlay_unit` overlays the node image on /usr, empty if there is none. `reported` are the units
    of the config whose failure ends a bootstrap. `missing` names what every installer with
    live-apply writes, and this config lacks. `image_tag` names the node image within the release,
    as `rhel-coreos-10` for the RHEL 10 stream. `disk` is where a single node installs itself to.
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
    proxy: Proxy = NO_PROXY
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
            ", through a proxy" if self.proxy.is_there else "",
            f"; release image {self.release}" if self.release else "; no release image found",
            f", of it {self.image_tag}" if self.image_tag else "",
            f"; missing: {', '.join(self.missing)}" if self.missing else "",
        ]
        return "".join(said)

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
    texts = texts_of(document)
    units, files = texts.units, texts.files
    overlay = next((name for name in _OVERLAYS if name in units), "")
    overlay_script = texts.script(overlay.replace(".service", ".sh"))
    pull_script = texts.script("node-image-pull.sh")
    return Variant(
        is_in_place=_IN_PLACE in units or f"{BIN}bootstrap-in-place.sh" in files,
        disk=found(_DISK, texts.script("install-to-disk.sh")),
        has_generator=any(_generator(name) in files for name in _OVERLAYS),
        overlay_unit=overlay,
        has_finish=_FINISH in units,
        is_finish_spared=bool(_SPARED.search(units.get(_FINISH, ""))),
        checkouts=_checkouts(pull_script + overlay_script),
        has_tmpfs=any(name in units for name in _TMPFS),
        sshd_restart=_sshd_restart(overlay_script, units),
        pause_by=_pause_by(texts),
        release=release_in(texts),
        image_tag=found(_STREAM_TAG, pull_script),
        proxy=proxy_of(texts),
        reported=tuple(name for name in (*_REPORTED, overlay) if name in units),
        missing=tuple(_missing(overlay, units, files)),
    )


def require_bootstrap(document: Document, subject: str) -> None:
    """Return if `document` is a bootstrap config of the installer; errors call it `subject`.

    Raises:
        InputError: it is something else; says what, and what to give instead.
    """
    texts = texts_of(document)
    if is_bootstrap(texts):
        _require_live_apply(variant_of(document), subject)
        return
    require_no_other(document, texts, subject, "bootstrap.ign", _WAY_OUT)
    raise InputError(subject, f"not a bootstrap config: it has no {_BOOTKUBE}", _WAY_OUT)


def is_bootstrap(texts: Texts) -> bool:
    """Return whether a config is for a bootstrap machine."""
    return _BOOTKUBE in texts.units or f"{BIN}bootkube.sh" in texts.files


def release_in(texts: Texts) -> str:
    """Return the pull spec of the release that a config downloads, empty without one."""
    return found(_RELEASE, texts.script("release-image-download.sh"))


def require_no_other(
    document: Document, texts: Texts, subject: str, wanted: str, remedy: str
) -> None:
    """Return if `document` is neither a pointer nor the config of a machine of a cluster.

    Raises:
        InputError: it is. `wanted` names the file to give instead of a pointer.
    """
    if urls := fetched(document):
        role = found(_SERVED, urls[0])
        whose = f"of a {role} machine " if role else ""
        problem = f"a pointer config {whose}that fetches {shown_url(urls[0])}"
        nearby = f"Use the {wanted} of the same folder."
        raise InputError(subject, problem, nearby if role else "Use the config that it fetches.")
    if any(name.startswith("machine-config-daemon-") for name in texts.units):
        role = found(_ROLE, texts.units.get("kubelet.service", ""))
        whose = f"a {role}" if role else "a machine"
        problem = f"the config that a machine-config server serves to {whose}"
        raise InputError(subject, problem, remedy)


def _require_live_apply(variant: Variant, subject: str) -> None:
    if not (variant.overlay_unit or variant.has_generator):
        problem = f"cannot live-apply a node image: it lacks {', '.join(variant.missing)}"
        remedy = "Use the bootstrap.ign of an openshift-install of 4.19 or later."
        raise InputError(subject, problem, remedy)


def _generator(overlay_unit: str) -> str:
    return GENERATORS + overlay_unit.replace(".service", "-generator")


def _checkouts(scripts: str) -> tuple[str, ...]:
    on_disk = (_ON_DISK,) if "/ostree/repo" in scripts and "tmp/node-image" in scripts else ()
    return (*on_disk, *(place for place in _CHECKOUTS if place in scripts))


def _sshd_restart(overlay_script: str, units: Mapping[str, str]) -> str:
    if _SSHD.search(overlay_script):
        return "the overlay"
    return next((name for name in units if name == "restart-sshd.service"), "")


def _pause_by(texts: Texts) -> tuple[str, ...]:
    kubelet = texts.units.get("kubelet.service", "") + texts.script("kubelet.sh")
    ways = {
        "crio.conf": "pause_image" in texts.script("crio-configure.sh"),
        "kubelet's flag": "--pod-infra-container-image" in kubelet,
    }
    return tuple(name for name, is_there in ways.items() if is_there)


def _missing(overlay: str, units: Mapping[str, str], files: Mapping[str, str]) -> Iterator[str]:
    unit = overlay or _OVERLAYS[0]
    script, target = (unit.replace(".service", end) for end in (".sh", ".target"))
    if _generator(unit) not in files:
        yield _generator(unit).removeprefix(GENERATORS)
    finishes = _FINISH in units or _ISOLATES.search(units.get(unit, ""))
    expected = (target, unit, *_EXPECTED_UNITS, *(() if finishes else (_FINISH,)))
    yield from (name for name in expected if name not in units)
    yield from (name for name in (script, *_EXPECTED_SCRIPTS) if BIN + name not in files)
