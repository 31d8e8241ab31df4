"""The identity of an installed RPM package, as `rpm` prints it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.model.errors import RigError

QUERY_FORMAT = r"%{NAME}|%{EPOCHNUM}|%{VERSION}|%{RELEASE}|%{ARCH}\n"
"""For `rpm -qa --qf`. No field contains a bar. EPOCHNUM is 0 if EPOCH is not set."""

EPOCH = re.compile(r"[0-9]{1,10}")
"""Of an epoch in text: rpm keeps it in 32 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nevra:
    """Name, epoch, version, release and architecture of one package."""

    name: str
    epoch: int
    version: str
    release: str
    arch: str

    @classmethod
    def parse(cls, line: str) -> Nevra:
        """Return the package in a line of `QUERY_FORMAT`.

        Raises:
            RigError: the line is malformed.
        """
        parts = line.split("|")
        if len(parts) != 5 or not parts[0] or not EPOCH.fullmatch(parts[1]):
            problem = f"unexpected line {line!r}"
            raise RigError("`rpm -qa`", problem, "Report a bug of pytest-node-image.")
        name, epoch, version, release, arch = parts
        return cls(name=name, epoch=int(epoch), version=version, release=release, arch=arch)

    def __str__(self) -> str:
        epoch = f"{self.epoch}:" if self.epoch else ""
        return f"{self.name}-{epoch}{self.version}-{self.release}.{self.arch}"
