"""Ignition pieces for the temporary control plane of a bootstrap machine.

The units and scripts are in `fixtures/guest/control-plane`, under the installer's names. They ask
the release image for etcd and the API server, and kubelet runs both as static pods.

Source: openshift/installer data/data/bootstrap, release-image.*, bootkube.*.
"""

from __future__ import annotations

from harness.cluster.manifests import API_PORT, TLS_IN_GUEST, apiserver_pod, etcd_pod, guest_layout
from harness.cluster.release_payload import ReleasePayload
from harness.guest.files import program, run_dropin, unit
from harness.guest.limits import Limits
from harness.model.guest_network import GUEST
from harness.model.ignition import Config, Dropin, File
from harness.model.secret import Secret
from harness.pki.control_plane import Pki

STAGE = "control-plane"
"""The stage that the guest reports as done when its API is ready."""
ADMIN_KUBECONFIG = "/opt/openshift/auth/kubeconfig"
"""Where a bootstrap machine keeps the administrator's kubeconfig."""

_SCRIPTS = ("release-image.sh", "release-image-download.sh", "bootkube.sh")
IMAGE = "@IMAGE@"
"""Stands for an image in a manifest, until bootkube.sh asks the release image."""
MANIFESTS = "/opt/openshift/bootstrap-manifests"
# Read by node-image-harness-failed; the unit's name says less than its stage.
_STAGE_FILES = "/etc/tmpfiles.d/node-image-harness-bootkube.conf"
_STAGE_FILE = "/run/node-image-harness/bootkube.service.stage"


def temporary_control_plane(
    release: ReleasePayload, pki: Pki, limits: Limits, advertised: str = GUEST
) -> Config:
    """Run etcd and the API server of `release`, once the node layer is in place.

    `advertised` is the machine's address for others; `pki` has to be valid for it.
    """
    return Config(
        files=(
            *(program(f"control-plane/{name}") for name in _SCRIPTS),
            *_manifests(advertised), *_keys(pki), _stage(),
        ),
        units=(
            unit(
                "control-plane/release-image.service",
                _dropin(release, limits, f"TimeoutStartSec={limits.release_s:.0f}\n"),
            ),
            unit("control-plane/bootkube.service", _dropin(release, limits), enabled=True),
        ),
    )  # fmt: skip


def _manifests(advertised: str) -> tuple[File, ...]:
    at = guest_layout(advertised)
    pods = {"etcd": etcd_pod(IMAGE, at), "kube-apiserver": apiserver_pod(IMAGE, at)}
    return tuple(
        File(path=f"{MANIFESTS}/{name}-pod.json", contents=text, overwrite=True)
        for name, text in pods.items()
    )


def _keys(pki: Pki) -> tuple[File, ...]:
    admin = pki.admin_kubeconfig(f"https://127.0.0.1:{API_PORT}")
    files = {f"{TLS_IN_GUEST}/{name}": contents for name, contents in pki.files().items()}
    return tuple(
        File(
            path=path, contents=contents, overwrite=True,
            mode=0o600 if isinstance(contents, Secret) else 0o644,
        )
        for path, contents in {**files, ADMIN_KUBECONFIG: admin}.items()
    )  # fmt: skip


def _stage() -> File:
    line = f"f {_STAGE_FILE} 0644 root root - {STAGE}\n"
    return File(path=_STAGE_FILES, contents=line, overwrite=True)


def _dropin(release: ReleasePayload, limits: Limits, settings: str = "") -> Dropin:
    values = {
        "RELEASE_IMAGE": release.release_pull_spec,
        "RELEASE_TRIES": f"{limits.tries}",
        "RELEASE_PAUSE_S": f"{limits.pause_s:.0f}",
        "CONTROL_PLANE_WAIT_S": f"{limits.ready_s:.0f}",
    }
    return run_dropin(settings, values)
