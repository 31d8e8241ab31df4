"""Ignition pieces for a live system that installs itself to a disk, and for a bootstrap in place.

The units and scripts are in `fixtures/guest/install`, under the installer's names; `followed` keeps
the installer's own.

Source: openshift/installer data/data/bootstrap/bootstrap-in-place.
"""

from __future__ import annotations

from harness.guest.files import BIN, failed_unit, program, programs, run_dropin, unit
from harness.guest.limits import MARGIN_S, Limits
from harness.model.ignition import Config, Document, Dropin, File, Unit, render
from harness.model.secret import Secret
from harness.pki.certificates import Certificate

DEVICE = "/dev/disk/by-id/virtio-root"
"""The machine's disk, as a live system finds it."""

_CONFIG = "/opt/openshift/installed.ign"
_ADDED = "/etc/node-image-harness/installed.ign"
_MASTER = "/opt/openshift/master.ign"
_AUTHORITY = "/opt/openshift/tls/machine-config-server-ca.crt"
_UNIT = "install-to-disk.service"
_IN_PLACE_UNIT = "bootstrap-in-place.service"
_INSTALL = "install/install-to-disk.sh"
_PLAIN = "plain-config-server"
_MEMORY = "node-image-harness-memory"
_FOLLOW = "node-image-harness-install"


def install_to_disk(installed: Document, limits: Limits) -> Config:
    """Install immediately, with `installed` as the disk's config, and reboot."""
    config = File(path=_CONFIG, contents=Secret(render(installed)), mode=0o600, overwrite=True)
    return Config(
        files=(config, *programs(_INSTALL, _MEMORY)),
        units=(_install_unit(_CONFIG, limits), failed_unit()),
    )


def bootstrap_in_place(certificate: Certificate, limits: Limits) -> Config:
    """Install when the temporary control plane is up, with its machine-config server's config.

    The server answers on localhost under `certificate`.
    """
    wait_s = limits.in_place_s
    dropin = run_dropin(
        f"RuntimeMaxSec={wait_s + MARGIN_S:.0f}\n", {"IN_PLACE_WAIT_S": f"{wait_s:.0f}"}
    )
    in_place = unit(f"install/{_IN_PLACE_UNIT}", dropin)
    plain = plain_config_server(certificate)
    return Config(
        files=(*plain.files, *programs(_INSTALL, _MEMORY, "install/bootstrap-in-place.sh")),
        units=(
            *plain.units, in_place, _install_unit(_MASTER, limits, _IN_PLACE_UNIT), failed_unit(),
        ),
    )  # fmt: skip


def plain_config_server(certificate: Certificate) -> Config:
    """Have the machine-config server of this host, under `certificate`, answer without TLS too."""
    authority = File(path=_AUTHORITY, contents=certificate.ca_pem, overwrite=True)
    return Config(
        files=(authority, program(f"install/{_PLAIN}")),
        units=(
            unit(f"install/{_PLAIN}.socket", enabled=True), unit(f"install/{_PLAIN}@.service"),
        ),
    )  # fmt: skip


def followed(added: Document, disk: str) -> Config:
    """Report an install by other units than ours, and merge the disk's config over `added`.

    `disk` is where they install to; a machine without it fails at once.
    """
    # Not by ExecStartPre=, which multi-user.target would wait for.
    around = (
        f"[Service]\nExecStart=\nExecStart={BIN}/{_FOLLOW} run {disk}\n"
        f"ExecStopPost={BIN}/{_FOLLOW} ended\n"
    )
    config = File(path=_ADDED, contents=Secret(render(added)), mode=0o600, overwrite=True)
    return Config(
        files=(config, *programs(f"install/{_FOLLOW}", _MEMORY)),
        units=(
            unit("install/node-image-harness-memory.service", enabled=True),
            Unit(name=_UNIT, dropins=(Dropin(name="50-node-image-harness.conf", contents=around),)),
        ),
    )


def _install_unit(config: str, limits: Limits, wants: str | None = None) -> Unit:
    wait_s = 0.0 if wants is None else limits.in_place_s
    values = {
        "INSTALL_DEVICE": DEVICE,
        "INSTALL_CONFIG": config,
        "INSTALL_WAIT_S": f"{wait_s:.0f}",
        "INSTALL_LIMIT_S": f"{limits.install_s:.0f}",
    }
    needs = "" if wants is None else f"[Unit]\nWants={wants}\n"
    limit = f"RuntimeMaxSec={wait_s + limits.install_s + MARGIN_S:.0f}\n"
    return unit(f"install/{_UNIT}", run_dropin(limit, values, needs), enabled=True)
