"""Bootstrap configs in the shape of the installer's: its names, places, modes and marks.

The single node's is `bootstrap_ign` and what brings it to its disk, where the config of the disk
comes of a machine-config server as it would of the cluster's.

The newer one is as of installer 4.20, the older one as of the first releases that had live-apply.

Source: openshift/installer pkg/asset/ignition/bootstrap/common.go
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from string import Template

import installer_texts as texts

from harness.cluster.release_payload import ReleasePayload
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Age:
    """The differences between installers."""

    is_newer: bool

    def words(self, release: str) -> dict[str, str]:
        """Return the values for the templates."""
        new = self.is_newer
        flag = ' \\\n    --pod-infra-container-image="$MACHINE_CONFIG_INFRA_IMAGE"'
        return {
            "release": release, "pod": POD,
            "live": "/var/ostreecontainer" if new else "/var/ostree-container",
            "after": " var-ostreecontainer.mount" if new else "",
            "wants": "Wants=var-ostreecontainer.mount\n" if new else "",
            "finished": "Node image overlay complete; going on" if new else "All is in place",
            "kill_mode": "KillMode=none" if new else "",
            "on": "Currently on CoreOS version" if new else "This system is",
            "target": "Target node image is",
            "checking_out": "Checking out node image content" if new else "Now the checkout",
            "overlaying": "Overlaying node image content" if new else "Now the mounts",
            "sshd": "systemctl --no-block try-restart sshd.service" if new else "",
            "pause_flag": "" if new else flag,
            "pause_step": "" if new else "ExecStartPre=/usr/local/bin/kubelet-pause-image.sh",
        }  # fmt: skip


NEWER = Age(is_newer=True)
OLDER = Age(is_newer=False)


def bootstrap_ign(release: ReleasePayload, age: Age = NEWER) -> Document:
    """Return a bootstrap config that pulls `release`."""
    words = age.words(release.release_pull_spec)
    tmpfs = {"var-ostreecontainer.mount": texts.TMPFS} if age.is_newer else {}
    pause = {} if age.is_newer else {"kubelet-pause-image.sh": texts.PAUSE_SCRIPT}
    return Config(
        files=(
            _file("/etc/systemd/system-generators/node-image-overlay-generator", texts.GENERATOR),
            *(
                _file(f"/usr/local/bin/{name}", _filled(text, words))
                for name, text in {**_SCRIPTS, **pause}.items()
            ),
            *(
                _file(f"/etc/systemd/system/{name}", _filled(text, words), _PRIVATE)
                for name, text in {**_PLAIN_UNITS, **tmpfs}.items()
            ),
            _file("/root/.docker/config.json", '{"auths": {}}\n', _PRIVATE),
            _file("/opt/openshift/manifests/cluster-config.yaml", "kind: ConfigMap\n", 0o644),
        ),
        units=tuple(
            Unit(name=name, contents=_filled(text, words), enabled="[Install]" in text or None)
            for name, text in _UNITS.items()
        ),
    ).to_document()  # fmt: skip


def single_node_ign(
    release: ReleasePayload, node_image: str, pause_image: str, disk: str
) -> Document:
    """Return a config of a single node that installs itself to `disk`, and pivots there."""
    certificate = issue((LOOPBACK,), ("localhost",))
    served = machine_config_server({"master": _master(node_image, pause_image)}, certificate)
    words = {"pod": POD, "disk": disk}
    in_place = Config(
        files=(
            *(
                _file(f"/usr/local/bin/{name}", _filled(text, words))
                for name, text in _IN_PLACE_SCRIPTS.items()
            ),
            _file("/opt/openshift/tls/machine-config-server-ca.crt", certificate.ca_pem, 0o644),
        ),
        units=(Unit(name="install-to-disk.service", contents=texts.INSTALL_UNIT, enabled=True),),
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
_SCRIPTS = {
    "release-image.sh": texts.RELEASE_LIBRARY,
    "release-image-download.sh": texts.RELEASE_SCRIPT,
    "node-image-pull.sh": texts.PULL_SCRIPT,
    "node-image-overlay.sh": texts.OVERLAY_SCRIPT,
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
}


def _filled(text: str, words: dict[str, str]) -> str:
    return Template(text).substitute(words)


def _file(path: str, text: str, mode: int = _PROGRAM) -> File:
    return File(path=path, contents=text, mode=mode, overwrite=True, user="root")
