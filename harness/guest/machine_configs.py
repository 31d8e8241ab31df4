"""Ignition pieces for a bootstrap machine that serves other machines their configs.

Its machine-config server is a static pod of the release, given to kubelet by bootkube.sh.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.cluster.manifests import MCS_CONFIGS, MCS_TLS, machine_config_server_pod
from harness.guest.bootkube import IMAGE, MANIFESTS
from harness.model.ignition import Config, Document, File, render
from harness.model.secret import Secret
from harness.pki.certificates import Certificate


def machine_config_server(configs: Mapping[str, Document], certificate: Certificate) -> Config:
    """Serve `configs`, by role, from this machine under `certificate`."""
    files: dict[str, str | Secret] = {
        f"{MANIFESTS}/machine-config-server-pod.json": machine_config_server_pod(IMAGE),
        f"{MCS_TLS}/tls.crt": certificate.certificate_pem,
        f"{MCS_TLS}/tls.key": certificate.key_pem,
        **{f"{MCS_CONFIGS}/{role}.json": Secret(render(c)) for role, c in configs.items()},
    }
    return Config(
        files=tuple(
            File(
                path=path, contents=contents, overwrite=True,
                mode=0o600 if isinstance(contents, Secret) else 0o644,
            )
            for path, contents in files.items()
        )
    )  # fmt: skip
