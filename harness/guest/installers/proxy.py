"""Ignition pieces that let a cluster with a proxy reach the run's registry without it.

The installer's configs send all units through the cluster's proxy, which does not know the host.
Each place that says what needs no proxy is answered by one that systemd reads later: the manager's
settings by a file of a higher name, a unit's by a file of variables of its own.

Source: openshift/installer data/data/bootstrap/files/etc/systemd/system.conf.d; systemd.exec(5);
openshift/machine-config-operator templates/common/_base, 10-mco-default-env.conf.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from harness.guest.installers.texts import MANAGER, Texts
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


_PROXY = re.compile(r"\bhttps?_proxy=[\"']?[^\s\"']", re.IGNORECASE)
_DIRECT = re.compile(r"\bno_proxy=[\"']?([^\"'\s]*)", re.IGNORECASE)
_ENVIRONMENT = re.compile(r"^Environment=.*$", re.MULTILINE)
_ENVIRONMENT_FILE = re.compile(r"^EnvironmentFile=-?(/\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """What the units of a config reach without their proxy: `NO_PROXY`, as the config has it.

    `for_all` is None where no proxy is for all units. `of` has the units that name one themselves.
    """

    for_all: str | None = None
    of: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_there(self) -> bool:
        """Whether any unit goes through a proxy."""
        return self.for_all is not None or bool(self.of)


NO_PROXY = Proxy()


def proxy_of(texts: Texts) -> Proxy:
    """Return the proxy of a config."""
    manager = (text for path, text in texts.files.items() if path.startswith(MANAGER))
    return Proxy(for_all=_direct("\n".join(manager)), of=dict(_of_units(texts)))


def around_proxy(proxy: Proxy) -> Config:
    """Return what the first boot needs beside its config; nothing if that reaches the host."""
    if proxy.for_all is None or _has_host(proxy.for_all):
        manager: tuple[File, ...] = ()
    else:
        lines = _lines("DefaultEnvironment=", _more(proxy.for_all))
        manager = (File(path=_MANAGER, contents=f"[Manager]\n{lines}", overwrite=True),)
    units = {unit: text for unit, text in proxy.of.items() if not _has_host(text)}
    return Config(files=(*manager, *_files(units)), units=_dropins(units))


def around_proxy_on_disk(proxy: Proxy) -> Config:
    """Return what a machine needs whose config the cluster makes, with the same proxy."""
    if proxy.for_all is None:
        return Config()
    units = dict.fromkeys(_ON_DISK, proxy.for_all)
    return Config(files=_files(units), units=_dropins(units))


def _of_units(texts: Texts) -> Iterator[tuple[str, str]]:
    for name, text in texts.units.items():
        lines = "\n".join(_ENVIRONMENT.findall(text))
        read = "\n".join(texts.files.get(path, "") for path in _ENVIRONMENT_FILE.findall(text))
        # A file counts more than the unit's own line.
        values = [value for value in map(_direct, (read, lines)) if value is not None]
        if values:
            yield name, values[0]


def _direct(environment: str) -> str | None:
    if not _PROXY.search(environment):
        return None
    # The last one counts. Either name will do.
    return next(reversed(_DIRECT.findall(environment)), "")


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


def _has_host(no_proxy: str) -> bool:
    return HOST_IN_GUEST in no_proxy.split(",")


def _more(no_proxy: str) -> str:
    return ",".join(filter(None, (no_proxy, HOST_IN_GUEST)))


def _lines(before: str, value: str) -> str:
    return "".join(f'{before}{name}="{value}"\n' for name in _NAMES)
