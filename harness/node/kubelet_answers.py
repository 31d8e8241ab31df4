"""Parsers for the output of a guest's tools about kubelet and its pods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.guest.kubelet import UNIT
from harness.model import units
from harness.model.errors import RigError
from harness.model.foreign import json_value

_PROPERTIES = (
    "Id", "LoadState", "ActiveState", "SubState", "Result", "NRestarts", "ExecMainStatus",
    "Type", "MainPID", "ActiveEnterTimestampMonotonic",
)  # fmt: skip
ASK_SERVICE = (
    f"systemctl show --property={','.join(_PROPERTIES)} {UNIT} && sed 's/^/Uptime=/' /proc/uptime"
)
"""The command for `parse_service`."""

_MAX_RESTARTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeletService:
    """kubelet.service at one moment: its unit state, its `Type=`, and its main process.

    `active_s` is how long systemd has counted it as active, by the guest's clock.
    """

    unit: units.UnitState
    kind: str
    main_pid: str
    active_s: float

    @property
    def is_running(self) -> bool:
        """Whether kubelet is running and has reported to systemd that it is ready."""
        return (self.unit.active, self.unit.sub) == ("active", "running")

    @property
    def dead_end(self) -> str | None:
        """The reason why kubelet can no longer become ready, or None.

        With `Restart=always` it never becomes `failed`; the number of restarts shows a crash loop.
        """
        if self.unit.load != "loaded" or self.unit.is_failed:
            return str(self.unit)
        if self.kind != "notify":
            return f"{UNIT} is of Type={self.kind}: being active does not mean being ready"
        if self.unit.restarts > _MAX_RESTARTS:
            return f"restarts again and again: {self.unit}"
        return None


def parse_service(text: str) -> KubeletService:
    """Return the service from the output of `ASK_SERVICE`.

    Raises:
        RigError: this is not such output.
    """
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    found = units.parse(text)
    try:
        return KubeletService(
            unit=found[UNIT], kind=values.get("Type", ""), main_pid=values.get("MainPID", ""),
            active_s=_active_s(values),
        )  # fmt: skip
    except (KeyError, ValueError, IndexError) as exc:
        problem = f"unexpected output {text[:200]!r}"
        remedy = "Report a bug of pytest-node-image."
        raise RigError(f"`systemctl show {UNIT}`", problem, remedy) from exc


def _active_s(values: Mapping[str, str]) -> float:
    """Return the seconds since a service became active; 0 if it never was.

    Source: org.freedesktop.systemd1(5), microseconds of CLOCK_MONOTONIC; proc_uptime(5).
    """
    since_s = int(values["ActiveEnterTimestampMonotonic"]) / 1e6
    return float(values["Uptime"].split()[0]) - since_s if since_s else 0.0


def parse_cri_version(text: str) -> dict[str, str]:
    """Return the fields of `crictl version`, such as RuntimeName, from its `KEY:  VALUE` lines."""
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def parse_sandbox_states(text: str, pod: str) -> tuple[str, ...]:
    """Return the states of a static pod's sandboxes from `crictl pods --output=json`.

    Raises:
        ValueError: this is not such output.
    """
    return tuple(
        str(item.get("state"))
        for item in _entries(text, "items")
        if _is_of(pod, _table(item.get("metadata")).get("name"))
    )


def parse_container_states(text: str, pod: str) -> tuple[str, ...]:
    """Return the states of a static pod's containers from `crictl ps --all --output=json`.

    Raises:
        ValueError: this is not such output.
    """
    return tuple(
        str(item.get("state"))
        for item in _entries(text, "containers")
        if _is_of(pod, _table(item.get("labels")).get("io.kubernetes.pod.name"))
    )


def _entries(text: str, field: str) -> tuple[dict[str, object], ...]:
    found = _table(json_value(text)).get(field) or []
    if not isinstance(found, list):
        raise ValueError(f"{field} is not a list")  # noqa: TRY004 - wrong text, as JSONDecodeError
    return tuple(_table(item) for item in found)


def _table(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _is_of(pod: str, name: object) -> bool:
    # kubelet names a static pod NAME-NODE.
    return isinstance(name, str) and name.startswith(f"{pod}-")
