"""Bootstrap configs in the shape of the installer's: its names, places, modes and marks.

The single node's is `bootstrap_ign` and what brings it to its disk, where the config of the disk
comes of a machine-config server as it would of the cluster's.

Each installer has the texts of its release. Source: openshift/installer
pkg/asset/ignition/bootstrap/common.go and data/data/bootstrap on the branches release-4.18,
release-4.19, release-4.21 and main (4.22).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from string import Template

import installer_texts as texts

from harness.cluster.release_payload import ReleasePayload
from harness.guest.install import plain_config_server
from harness.guest.kubelet import crio_pause, standalone_kubelet
from harness.guest.machine_configs import machine_config_server
from harness.guest.validation import whole
from harness.model.guest_network import LOOPBACK
from harness.model.ignition import Config, Document, File, Unit, merge
from harness.pki.certificates import issue

_PROGRAM = 0o555
_PRIVATE = 0o600
POD = "bootstrap-pod"
"""The static pod that bootkube passes to kubelet."""


_ETCD = '.containers[] | select(.metadata.name == "etcd")'


@dataclass(frozen=True, slots=True, kw_only=True)
class Installer:
    """The differences between the installers of releases.

    `is_finish_spared`: the isolate does not kill the unit that asks for it. `live` is where a live
    system keeps the node image.
    """

    release: str
    has_live_apply: bool = True
    is_finish_spared: bool = False
    restarts_sshd: bool = False
    has_pause_flag: bool = False
    live: str = "/var/ostreecontainer"

    @property
    def tmpfs_unit(self) -> str:
        """The name of the mount of `live`, as systemd escapes it."""
        return self.live.removeprefix("/").replace("-", r"\x2d").replace("/", "-") + ".mount"

    def words(self, release: str) -> dict[str, str]:
        """Return the values for the templates."""
        flag = ' \\\n    --pod-infra-container-image="$MACHINE_CONFIG_INFRA_IMAGE"'
        return {
            "release": release, "pod": POD, "live": self.live,
            "after": f" {self.tmpfs_unit}", "wants": f"Wants={self.tmpfs_unit}\n",
            "finished": "Node image overlay complete; switching back to multi-user.target",
            "kill_mode": "KillMode=none" if self.is_finish_spared else "",
            "on": "Currently on CoreOS version",
            "target": "Target node image is",
            "checking_out": "Checking out node image content",
            "overlaying": "Overlaying node image content",
            "sshd": "systemctl --no-block try-restart sshd.service" if self.restarts_sshd else "",
            "pause_flag": flag if self.has_pause_flag else "",
            "pause_step": (
                "ExecStartPre=/usr/local/bin/kubelet-pause-image.sh" if self.has_pause_flag else ""
            ),
        }  # fmt: skip


INSTALLER_4_18 = Installer(release="4.18", has_live_apply=False, has_pause_flag=True)
INSTALLER_4_19 = Installer(release="4.19", has_pause_flag=True, live="/var/ostree-container")
INSTALLER_4_21 = Installer(release="4.21")
NEWEST = Installer(release="main", is_finish_spared=True, restarts_sshd=True)
INSTALLERS = (INSTALLER_4_19, INSTALLER_4_21, NEWEST)
"""Those that live-apply; the older one is refused."""


def bootstrap_ign(release: ReleasePayload, installer: Installer = NEWEST) -> Document:
    """Return a bootstrap config that pulls `release`."""
    words = installer.words(release.release_pull_spec)
    pause = {"kubelet-pause-image.sh": texts.PAUSE_SCRIPT} if installer.has_pause_flag else {}
    scripts = {**_SCRIPTS, **pause, **(_LIVE_SCRIPTS if installer.has_live_apply else {})}
    return Config(
        files=(
            *(
                _file(f"/usr/local/bin/{name}", _filled(text, words))
                for name, text in scripts.items()
            ),
            *(_live_apply(installer, words) if installer.has_live_apply else ()),
            _file("/root/.docker/config.json", '{"auths": {}}\n', _PRIVATE),
            _file("/opt/openshift/manifests/cluster-config.yaml", "kind: ConfigMap\n", 0o644),
            *(
                _file(f"/opt/openshift/tls/journal-gatewayd.{kind}", "none\n", _PRIVATE)
                for kind in ("crt", "key")
            ),
        ),
        units=tuple(
            Unit(
                name=name, contents=_filled(text, words) if text else None,
                enabled=True if name in _ENABLED else None,
            )
            for name, text in _UNITS.items()
        ),
    ).to_document()  # fmt: skip


def _live_apply(installer: Installer, words: dict[str, str]) -> Iterator[File]:
    """Yield the generator, and the units that the installer writes as plain files."""
    generator = "/etc/systemd/system-generators/node-image-overlay-generator"
    yield _file(generator, texts.GENERATOR)
    for name, text in {**_PLAIN_UNITS, installer.tmpfs_unit: texts.TMPFS}.items():
        yield _file(f"/etc/systemd/system/{name}", _filled(text, words), _PRIVATE)


def single_node_ign(
    release: ReleasePayload, node_image: str, pause_image: str, disk: str
) -> Document:
    """Return a config of a single node that installs itself to `disk`, and pivots there."""
    certificate = issue((LOOPBACK,), ("localhost",))
    served = machine_config_server({"master": _master(node_image, pause_image)}, certificate)
    plain = plain_config_server(certificate)
    words = {"pod": POD, "disk": disk, "etcd": _ETCD}
    in_place = Config(
        files=(
            *(
                _file(f"/usr/local/bin/{name}", _filled(text, words))
                for name, text in _IN_PLACE_SCRIPTS.items()
            ),
            *plain.files,
        ),
        units=(
            *plain.units,
            Unit(name="install-to-disk.service", contents=texts.INSTALL_UNIT, enabled=True),
        ),
    )
    bootstrap = bootstrap_ign(release)
    return merge(merge(bootstrap, served.to_document()), in_place.to_document())


def _master(node_image: str, pause_image: str) -> Document:
    """Return the answer of a cluster's machine-config server, without keys of users."""
    encapsulated = json.dumps({"spec": {"osImageURL": node_image}})
    pivot = Config(
        files=(
            _file("/etc/ignition-machine-config-encapsulated.json", encapsulated, 0o644),
            _file("/usr/local/bin/firstboot.sh", _filled(texts.PIVOT_SCRIPT, {})),
        ),
        units=(
            Unit(
                name="machine-config-daemon-firstboot.service", contents=texts.PIVOT_UNIT,
                enabled=True,
            ),
        ),
    )  # fmt: skip
    return whole((pivot, standalone_kubelet(pause_image), crio_pause(pause_image)), ())


_PLAIN_UNITS = {
    "node-image-overlay.target": texts.TARGET,
    "node-image-pull.service": texts.PULL_UNIT,
    "node-image-overlay.service": texts.OVERLAY_UNIT,
    "node-image-finish.service": texts.FINISH_UNIT,
}
_LIVE_SCRIPTS = {
    "node-image-pull.sh": texts.PULL_SCRIPT,
    "node-image-overlay.sh": texts.OVERLAY_SCRIPT,
}
_SCRIPTS = {
    "release-image.sh": texts.RELEASE_LIBRARY,
    "release-image-download.sh": texts.RELEASE_SCRIPT,
    "bootstrap-service-record.sh": texts.RECORD_LIBRARY,
    "approve-csr.sh": texts.APPROVE_SCRIPT,
    "report-progress.sh": texts.PROGRESS_SCRIPT,
    "crio-configure.sh": texts.CRIO_SCRIPT,
    "kubelet.sh": texts.KUBELET_SCRIPT,
    "bootkube.sh": texts.BOOTKUBE_SCRIPT,
}
_IN_PLACE_SCRIPTS = {
    "bootkube.sh": texts.IN_PLACE_BOOTKUBE_SCRIPT,
    "bootstrap-in-place.sh": texts.IN_PLACE_SCRIPT,
    "install-to-disk.sh": texts.INSTALL_SCRIPT,
}
_UNITS = {
    "release-image.service": texts.RELEASE_UNIT,
    "crio-configure.service": texts.CRIO_UNIT,
    "kubelet.service": texts.KUBELET_UNIT,
    "bootkube.service": texts.BOOTKUBE_UNIT,
    "approve-csr.service": texts.APPROVE_UNIT,
    "progress.service": texts.PROGRESS_UNIT,
    "chown-gatewayd-key.service": texts.CHOWN_UNIT,
    "systemd-journal-gatewayd.socket": "",
}
# bootkube and crio-configure are wanted by others. Source: common.go, enabledServices.
_ENABLED = frozenset(
    {
        *("kubelet.service", "approve-csr.service", "progress.service"),
        *("chown-gatewayd-key.service", "systemd-journal-gatewayd.socket"),
    }
)


def _filled(text: str, words: dict[str, str]) -> str:
    return Template(text).substitute(words)


def _file(path: str, text: str, mode: int = _PROGRAM) -> File:
    return File(path=path, contents=text, mode=mode, overwrite=True, user="root")
