"""How ready a kubelet is, in levels: each is checked in the live guest, within a limit.

A level returns its evidence as text, or raises `ProductError` with the last reason and the tail of
kubelet's journal, within seconds if it cannot be reached any more.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from harness.guest.kubelet import CRI_ENDPOINT, HEALTHZ_PORT, PROBE_POD, UNIT
from harness.model.clock import Deadline, NotYet, wait_for
from harness.model.errors import DeadlineError, HarnessError, ProductError
from harness.node.kubelet_answers import (
    ASK_SERVICE,
    KubeletService,
    parse_container_states,
    parse_cri_version,
    parse_sandbox_states,
    parse_service,
)
from harness.node.ssh import ConnectionLostError, GuestCommandError, Result, Shell

STEADY_S = 5.0
"""How long kubelet must go without a restart to count as running."""
READY_S = 120.0
"""How long a level may take; stretched for a slow guest."""

_TICK_S = 1.0
_USER = "core"
_NEW_SESSION = "new SSH session"
_ASK_S = 20.0
# Of the whole wait, which is stretched for slow guests.
_ASK_SHARE = 1 / 6
_TAIL_LINES = 30
_TAIL_CHARS = 300
_NOT_FOUND = 127


def reach_unit_active(shell: Shell, deadline: Deadline) -> str:
    """Wait until kubelet reported to systemd that it is ready, and ran for `STEADY_S`.

    Raises:
        ProductError: it did not, or cannot any more.
    """

    def check(service: KubeletService) -> str:
        seen = f"{service.unit}, main process {service.main_pid} for {service.active_s:.0f} s"
        if not service.is_running:
            raise NotYet(str(service.unit))
        if service.active_s < STEADY_S:
            raise NotYet(seen)
        return seen

    return reach(f"{UNIT} to be active", check, shell, deadline)


def reach_healthz(shell: Shell, deadline: Deadline) -> str:
    """Wait until kubelet's own health check says ok.

    Raises:
        ProductError: it did not, or cannot any more.
    """
    url = f"http://127.0.0.1:{HEALTHZ_PORT}/healthz"

    def check(_service: KubeletService) -> str:
        said = ask(shell, f"curl --silent --show-error --max-time 10 {url}", deadline, sudo=False)
        if said.stdout.strip() != "ok":
            raise NotYet(f"{url} says {said.stdout.strip()[:_TAIL_CHARS]!r}")
        return f"{url} says ok"

    return reach("kubelet's healthz", check, shell, deadline)


def reach_cri(shell: Shell, deadline: Deadline) -> str:
    """Wait until the container runtime reports its version over CRI.

    Raises:
        ProductError: it did not, or cannot any more.
    """

    def check(_service: KubeletService) -> str:
        fields = parse_cri_version(_crictl(shell, "version", deadline))
        wanted = ("RuntimeName", "RuntimeVersion", "RuntimeApiVersion")
        if missing := [name for name in wanted if not fields.get(name)]:
            raise NotYet(f"crictl version does not report {', '.join(missing)}")
        return ", ".join(f"{name} {fields[name]}" for name in wanted)

    return reach("the container runtime to answer CRI", check, shell, deadline)


def reach_static_pod(shell: Shell, deadline: Deadline) -> str:
    """Wait until the probe's sandbox is ready and its container runs.

    Raises:
        ProductError: it did not, or cannot any more.
    """

    def check(_service: KubeletService) -> str:
        pods = _crictl(shell, "pods --output=json", deadline)
        containers = _crictl(shell, "ps --all --output=json", deadline)
        try:
            sandboxes = parse_sandbox_states(pods, PROBE_POD)
            states = parse_container_states(containers, PROBE_POD)
        except ValueError as exc:
            raise NotYet(f"crictl gives no JSON that can be read: {exc}") from exc
        seen = (
            f"sandboxes {', '.join(sandboxes) or 'none'}; containers {', '.join(states) or 'none'}"
        )
        if "SANDBOX_READY" not in sandboxes or "CONTAINER_RUNNING" not in states:
            raise NotYet(seen)
        return f"static pod {PROBE_POD}: {seen}"

    return reach(f"static pod {PROBE_POD} to run", check, shell, deadline)


class Opener(Protocol):
    """A connection that can log in again: a `Session`, or a fake."""

    def fresh(self, deadline: Deadline) -> AbstractContextManager[Shell]:
        """Open another connection."""


def reach_new_session(session: Opener, deadline: Deadline) -> str:
    """Open a new session and run a command as the user: sshd has to survive live-apply.

    Raises:
        ProductError: the login or the command does not work.
    """
    try:
        with session.fresh(deadline) as fresh:
            said = fresh.run("id -un", deadline, check=True, sudo=False).stdout.strip()
    except (DeadlineError, GuestCommandError, ConnectionLostError) as exc:
        raise ProductError(_NEW_SESSION, f"does not work: {exc}") from exc
    if said != _USER:
        raise ProductError(_NEW_SESSION, f"`id -un` prints {said!r} instead of {_USER!r}")
    return f"a new SSH session is {said}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One level of readiness: its id in test names, and how to wait for it."""

    name: str
    title: str
    reach: Callable[[Shell, Deadline], str]


LEVELS = (
    Level(name="unit-active", title="kubelet is active and steady", reach=reach_unit_active),
    Level(name="healthz", title="kubelet says it is healthy", reach=reach_healthz),
    Level(name="cri", title="the runtime answers", reach=reach_cri),
    Level(name="static-pod", title="a static pod runs", reach=reach_static_pod),
)
"""From the lowest to the highest; each builds on the ones before."""


def reach(
    goal: str, check: Callable[[KubeletService], str], shell: Shell, deadline: Deadline
) -> str:
    """Return what `check` says, called until it succeeds or kubelet cannot become ready.

    Raises:
        ProductError: no success; ends with the tail of kubelet's journal.
    """

    def attempt() -> str:
        service = _service(shell, deadline)
        if (reason := service.dead_end) is not None:
            raise ProductError(goal, f"not possible: {reason}")
        return check(service)

    try:
        return wait_for(goal, attempt, deadline, _TICK_S)
    except (DeadlineError, ProductError) as exc:
        if exc.sighting is not None:
            raise  # the diagnosis of the whole machine says more
        problem = f"{exc.problem or exc}\n{_journal_tail(shell, deadline)}"
        raise ProductError(goal, problem) from exc


def _service(shell: Shell, deadline: Deadline) -> KubeletService:
    return parse_service(ask(shell, ASK_SERVICE, deadline, sudo=False).stdout)


def _crictl(shell: Shell, words: str, deadline: Deadline) -> str:
    return ask(shell, f"crictl --runtime-endpoint {CRI_ENDPOINT} {words}", deadline).stdout


def ask(shell: Shell, command: str, deadline: Deadline, *, sudo: bool = True) -> Result:
    """Return a command's result if it succeeds; else raise why to wait on.

    It has its own limit, since the last try begins when the wait's time is over. What needs no root
    is faster without `sudo`, which takes an emulated guest half a second.
    """
    limit_s = max(_ASK_S, deadline.limit_s * _ASK_SHARE)
    try:
        result = shell.run(command, Deadline.after(limit_s, deadline.clock), sudo=sudo)
    except DeadlineError as exc:
        raise NotYet(str(exc)) from exc
    if result.status == _NOT_FOUND:
        raise ProductError("node", f"lacks a program: {result.stderr.strip()}")
    if result.status != 0:
        said = (result.stderr.strip() or result.stdout.strip())[-_TAIL_CHARS:]
        raise NotYet(f"{command.split()[0]} exited {result.status}: {said}")
    return result


def _journal_tail(shell: Shell, deadline: Deadline) -> str:
    command = f"journalctl --boot --no-pager --lines={_TAIL_LINES} --output=short --unit={UNIT}"
    try:
        text = ask(shell, command, deadline).stdout
    except HarnessError as exc:
        if exc.sighting is not None:
            raise
        text = f"not to be had: {exc}"
    except NotYet as exc:
        text = f"not to be had: {exc}"
    lines = (line[:_TAIL_CHARS] for line in text.splitlines()[-_TAIL_LINES:])
    return "\n".join((f"last of {UNIT}'s journal:", *(f"  {line}" for line in lines)))
