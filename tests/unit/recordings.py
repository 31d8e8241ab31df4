"""What the machines of each scenario write on their way up, in the words of their scripts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from playing import Line, Recording

NODE_IMAGE = "10.0.2.2:5/node@sha256:1"
TOO_MUCH = "memory peaks: /var/ostreecontainer 10000000000 bytes, /run/ephemeral 0 bytes"
_PEAKS = "memory peaks: /var/ostreecontainer 759169024 bytes, /run/ephemeral 267386880 bytes"


class Writer:
    """Composes a recording: every line comes `after_s` seconds after the one before."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._at_s = 0.0
        self._began_s = 0.0

    def boot(self) -> Self:
        """Start a kernel."""
        self._at_s += 3.0
        self._began_s = self._at_s
        return self._add("console", "[    0.000000] Linux version 6.1.0-56-cloud-amd64 (debian)")

    def reboot(self) -> Self:
        """End this kernel and start the next one."""
        self._at_s += 2.0
        self._add("console", f"[{self._uptime_s:12.6f}] reboot: Restarting system")
        return self.boot()

    def event(self, stage: str, state: str, detail: str = "", after_s: float = 5.0) -> Self:
        """Report a stage as the guest's scripts do."""
        self._at_s += after_s
        uptime = f"{self._uptime_s:.2f}"
        return self._add("events", f"stage={stage} state={state} uptime={uptime} detail={detail}")

    def console(self, text: str, after_s: float = 5.0) -> Self:
        """Write a line to the console, as systemd and the programs of units do."""
        self._at_s += after_s
        return self._add("console", text)

    def installers_agent(self) -> Self:
        """Overlay the node image as an agent of the installer has it done."""
        self.console("[   60.000000] start-agent.sh[801]: Using agent image: quay.example/agent")
        target = f"Target node image is {NODE_IMAGE}"
        self.console(f"[  200.000000] node-image-pull.sh[1412]: {target}", after_s=140.0)
        self.console("         Starting node-image-overlay.service - Node Image Overlay...")
        self.event("overlay", "progress", _PEAKS)
        return self.console("[  OK  ] Finished node-image-overlay.service - Node Image Overlay.")

    def live_apply(self, peaks: str = _PEAKS) -> Self:
        """Overlay the node image, up to multi-user.target."""
        self.event("pull", "started", after_s=20.0)
        self.event("pull", "progress", f"Target node image is {NODE_IMAGE}")
        self.event("pull", "progress", "11 of 93 MB")
        self.event("checkout", "started").event("checkout", "done", peaks).event("pull", "done")
        self.event("overlay", "started").event("overlay", "done").event("finish", "done")
        return self.event("multi-user", "done")

    def control_plane(self) -> Self:
        """Bring up etcd and the API server."""
        self.event("release-image", "started").event("release-image", "done")
        return self.event("control-plane", "started").event("control-plane", "done", after_s=60.0)

    def install(self) -> Self:
        """Write the disk, up to the reboot."""
        self.event("install", "started").event("install", "progress", _PEAKS)
        return self.event("install", "done", after_s=30.0)

    def pivot(self) -> Self:
        """Rebase to the node image."""
        self.event("pivot", "started", after_s=20.0)
        self.event("pivot", "progress", "Staging deployment...done")
        return self.event("pivot", "done", "rebooting into the node image")

    def up(self) -> Self:
        """Reach multi-user.target."""
        return self.event("multi-user", "done", after_s=15.0)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._at_s += seconds

    @property
    def _uptime_s(self) -> float:
        return self._at_s - self._began_s

    def _add(self, stream: str, text: str) -> Self:
        self.lines.append(Line(at_s=self._at_s, stream=stream, text=text))
        return self


def _bootstrap() -> Writer:
    return Writer().boot().live_apply().control_plane()


def _pivoted() -> Writer:
    return Writer().boot().pivot().reboot().up()


def _on_demand() -> Writer:
    started = Writer().boot().up().event("agent", "started").event("pull", "started")
    ended = started.event("checkout", "done", _PEAKS).event("pull", "done")
    return ended.event("overlay", "done").event("agent", "done")


def _single_node() -> Writer:
    live = Writer().boot().live_apply().control_plane().event("in-place", "started")
    disk = live.event("in-place", "done").install().reboot().pivot()
    return disk.reboot().up().control_plane()


RECORDINGS: dict[str, dict[str, Callable[[], Writer]]] = {
    **{name: {name: _bootstrap} for name in ("ipi_bootstrap", "upi", "upi_https")},
    **{name: {name: _pivoted} for name in ("ipi_node", "ipi_worker", "hosted")},
    **{name: {name: _on_demand} for name in ("assisted", "agent")},
    **{name: {name: _single_node} for name in ("sno", "sno_pxe")},
    "fat": {"fat": lambda: Writer().boot().up().control_plane()},
    "upi_install": {"upi_install": lambda: Writer().boot().install().reboot().live_apply()},
    "ipi_cluster": {"ipi_cluster_bootstrap": _bootstrap, "ipi_cluster": _pivoted},
}


def _fenced() -> Writer:
    # Late: it is fenced when both have pivoted. A reset says nothing before the next kernel.
    writer = _pivoted()
    writer.wait(60.0)
    return writer.boot().up()


PROJECTS: dict[str, dict[str, Callable[[], Writer]]] = {
    "uki_node": {"uki_node": _pivoted},
    "two_node_fencing": {
        "two_node_fencing_node-0": _pivoted, "two_node_fencing_node-1": _fenced,
    },
}  # fmt: skip


def recordings_of(scenario: str) -> dict[str, Recording]:
    """Return what each machine of a scenario writes, by the machine's name in reports."""
    known = {**RECORDINGS, **PROJECTS}
    return {machine: make().lines for machine, make in known[scenario].items()}
