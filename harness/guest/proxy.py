"""Ignition pieces that let a cluster with a proxy reach the run's registry without it.

The installer's configs send all units through the cluster's proxy, which does not know the host.
Each place that says what needs no proxy is answered by one that systemd reads later: the manager's
settings by a file of a higher name, a unit's by a file of variables of its own.

Source: openshift/installer data/data/bootstrap/files/etc/systemd/system.conf.d; systemd.exec(5);
openshift/machine-config-operator templates/common/_base, 10-mco-default-env.conf.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.guest.installer_variant import Variant
from harness.model.guest_network import HOST_IN_GUEST
from harness.model.ignition import Config, Dropin, File, Unit

_MANAGER = "/etc/systemd/system.conf.d/99-node-image-harness.conf"
_FOLDER = "/etc/node-image-harness/no-proxy"
_DROPIN = "99-node-image-harness-proxy.conf"
_NAMES = ("NO_PROXY", "no_proxy")
# What pulls on a machine of the cluster, which reads /etc/mco/proxy.env.
_ON_DISK = (
    "crio.service", "machine-config-daemon-pull.service", "machine-config-daemon-firstboot.service",
    "rpm-ostreed.service",
)  # fmt: skip


def around_proxy(variant: Variant) -> Config:
    """Return what the first boot needs beside its config; nothing if that reaches the host."""
    if variant.no_proxy is None or _is_direct(variant.no_proxy):
        manager: tuple[File, ...] = ()
    else:
        lines = _lines("DefaultEnvironment=", _more(variant.no_proxy))
        manager = (File(path=_MANAGER, contents=f"[Manager]\n{lines}", overwrite=True),)
    units = {unit: text for unit, text in variant.no_proxy_of.items() if not _is_direct(text)}
    return Config(files=(*manager, *_files(units)), units=_dropins(units))


def around_proxy_on_disk(variant: Variant) -> Config:
    """Return what a machine needs whose config the cluster makes, with the same proxy."""
    if variant.no_proxy is None:
        return Config()
    units = dict.fromkeys(_ON_DISK, variant.no_proxy)
    return Config(files=_files(units), units=_dropins(units))


def _files(units: Mapping[str, str]) -> tuple[File, ...]:
    return tuple(
        File(path=f"{_FOLDER}/{unit}.env", contents=_lines("", _more(text)), overwrite=True)
        for unit, text in units.items()
    )


def _dropins(units: Iterable[str]) -> tuple[Unit, ...]:
    return tuple(
        Unit(
            name=unit,
            dropins=(
                Dropin(
                    name=_DROPIN, contents=f"[Service]\nEnvironmentFile={_FOLDER}/{unit}.env\n"
                ),
            ),
        )
        for unit in units
    )  # fmt: skip


def _is_direct(no_proxy: str) -> bool:
    return HOST_IN_GUEST in no_proxy.split(",")


def _more(no_proxy: str) -> str:
    return ",".join(filter(None, (no_proxy, HOST_IN_GUEST)))


def _lines(before: str, value: str) -> str:
    return "".join(f'{before}{name}="{value}"\n' for name in _NAMES)
