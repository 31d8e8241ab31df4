"""The state of systemd units, read from the blocks that `systemctl show` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from harness.model.errors import RigError


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitState:
    """One unit at one moment, in systemd's words.

    `result`, `restarts` and `exec_main_status` are known only for services that are running,
    starting or failed; for other units they are empty or 0.
    """

    name: str
    load: str
    active: str
    sub: str
    result: str
    restarts: int
    exec_main_status: int

    @property
    def is_failed(self) -> bool:
        """Whether systemd counts the unit as failed."""
        return self.active == "failed"

    def __str__(self) -> str:
        words = [f"{self.name} is {self.active}/{self.sub}"]
        if self.load != "loaded":
            words.append(f"load state {self.load}")
        if self.result not in ("", "success"):
            words.append(f"result {self.result}")
        if self.exec_main_status:
            words.append(f"main process ended with {self.exec_main_status}")
        if self.restarts:
            words.append(f"restarted {self.restarts} times")
        return ", ".join(words)


def parse(text: str) -> Mapping[str, UnitState]:
    """Return the units by name from the blocks of `KEY=VALUE` that `systemctl show` prints.

    Raises:
        RigError: a block has no Id, or a count in it is not a number.
    """
    blocks = (block for block in text.split("\n\n") if block.strip())
    units = (_parse_block(block) for block in blocks)
    return MappingProxyType({unit.name: unit for unit in units})


def _parse_block(block: str) -> UnitState:
    values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    try:
        return UnitState(
            name=values["Id"],
            load=values.get("LoadState", ""),
            active=values.get("ActiveState", ""),
            sub=values.get("SubState", ""),
            result=values.get("Result", ""),
            restarts=int(values.get("NRestarts") or 0),
            exec_main_status=int(values.get("ExecMainStatus") or 0),
        )
    except (KeyError, ValueError) as exc:
        problem = f"unexpected output {block[:200]!r}"
        remedy = "Report a bug of pytest-node-image."
        raise RigError("`systemctl show`", problem, remedy) from exc
