"""The stages that scenarios are made of, from the login to the two snapshots.

Every stage is bounded, tells its progress, and ends with the one error that says what failed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Protocol

from harness.diagnosis import events
from harness.guest.keys import RunKeys
from harness.guest.live_apply import BEFORE, OBSERVE, Limits
from harness.model import node_state
from harness.model.clock import Deadline, NotYet, wait_for
from harness.model.errors import DeadlineError
from harness.model.node_state import NodeState
from harness.model.record import LayerRecord, State
from harness.node.dial import Endpoint
from harness.node.ssh import ConnectionLostError, Session, Shell
from harness.scenarios.scenario import AppliedNode
from harness.scenarios.start import Boot

# For hardware acceleration; `Rig.timeout_factor` stretches all of them.
_LOGIN_S = 120.0
_BACK_S = 120.0
_REBOOT_S = 240.0
_SETTLE_S = 30.0
_SNAPSHOT_S = 60.0
_ASK_S = 30.0
# Not stretched: how often to look.
_LOOK_S = 0.5
OVERLAY = "overlay-apply"
"""The phase in which the node image is laid over /usr, whoever's scripts do it."""


@contextmanager
def logged_in(boot: Boot, keys: RunKeys) -> Iterator[Session]:
    """Hold the SSH session of the whole boot, opened as soon as the guest lets us in.

    Raises:
        ProductError: the boot failed, or nobody was let in in time.
        RigError: QEMU ended, or another host key was presented.
    """
    endpoint = Endpoint(
        address="127.0.0.1", port=boot.machine.ssh_port,
        client_key=keys.client.private, host_key=keys.host.public,
    )  # fmt: skip
    with boot.timed("boot-to-ssh"):
        try:
            session = Session.connect(endpoint, boot.deadline(_LOGIN_S), boot.watch.insist_alive)
        except DeadlineError as exc:
            raise boot.watch.stuck(str(exc)) from exc
    boot.watch.say(f"logged in by SSH after {boot.watch.elapsed_s:.0f} s")
    with session:
        yield session


def wait_for_live_apply(boot: Boot, limits: Limits) -> None:
    """Follow live-apply until the node is back in multi-user.target.

    Raises:
        ProductError: a stage failed or took too long, or the bootimage has the node layer already.
        RigError: QEMU ended, or the harness's own part in the guest failed.
    """
    wait_for_multi_user(boot, limits.overall_s + _BACK_S * boot.rig.timeout_factor)
    if not boot.watch.has_passed(OVERLAY):
        raise boot.watch.failed(
            "live-apply did not run: openshift-clients, of the node layer, is in the bootimage"
        )
    boot.timings_s.update(events.durations_s(boot.watch.events))


def wait_for_multi_user(boot: Boot, limit_s: float, times: int = 1) -> None:
    """Follow the machine until it has reached multi-user.target; `limit_s` is taken as it is.

    `times` is how often it gets there, over all its boots.

    Raises:
        ProductError: the boot failed or took too long.
        RigError: QEMU ended, or the harness's own part in the guest failed.
    """
    wait_for_stage(boot, events.MULTI_USER, limit_s, times)


def wait_for_stage(boot: Boot, stage: str, limit_s: float, times: int = 1) -> None:
    """Follow the machine until it told `times` that `stage` is done; `limit_s` is taken as it is.

    Raises:
        ProductError: the machine failed or took too long.
        RigError: QEMU ended, or the harness's own part in the guest failed.
    """
    try:
        limit = Deadline.after(limit_s, boot.watch.clock)
        wait_for(f"the end of {stage}", partial(_is_done, boot, stage, times), limit, _LOOK_S)
    except DeadlineError as exc:
        raise boot.watch.stuck(str(exc)) from exc


def _is_done(boot: Boot, stage: str, times: int) -> None:
    boot.watch.insist_alive()
    seen = boot.watch.events
    if events.times_done(seen, stage) < times:
        last = seen[-1] if seen else None
        raise NotYet(f"{last.stage} says {last.detail or last.state}" if last else "nothing told")


class Returning(Protocol):
    """A session that can follow its guest over a reboot: a `Session`, or a fake."""

    def close(self) -> None:
        """Close the connection."""

    def wait_for_reboot(self, old_boot_ids: Collection[str], deadline: Deadline) -> None:
        """Connect again when the guest runs another boot."""


def wait_for_boot(boot: Boot, session: Returning, number: int, limit_s: float = _REBOOT_S) -> None:
    """Follow the machine to its boot `number`, counted from 1, and log in there.

    Boots in between may come and go. `limit_s` is stretched for a slow guest.

    Raises:
        ProductError: the machine failed, or did not get there in time.
    """
    limit = boot.deadline(limit_s)
    session.close()
    try:
        wait_for(f"boot {number}", partial(_has_boots, boot, number), limit, _LOOK_S)
        # The console tells of a kernel before the sshd of the last one is known to be gone.
        session.wait_for_reboot(boot.watch.boot_ids_before(number), limit)
    except DeadlineError as exc:
        raise boot.watch.stuck(str(exc)) from exc
    boot.watch.say(f"logged in to boot {number} after {boot.watch.elapsed_s:.0f} s")


def _has_boots(boot: Boot, number: int) -> None:
    boot.watch.insist_alive()
    if boot.watch.boots < number:
        raise NotYet(f"the machine is in boot {boot.watch.boots}")


def wait_until_settled(boot: Boot, shell: Shell) -> None:
    """Wait until systemd has no jobs; after a while go on with those that are left.

    A unit that starts over and over has a job most of the time: to judge it is not this stage's.

    Raises:
        ProductError: the session broke.
    """
    with boot.timed("settle"), boot.watch.phase("settle", "settling of systemd's jobs"):
        try:
            wait_for("idle systemd", partial(_no_jobs, boot, shell), boot.deadline(_SETTLE_S), 1.0)
        except DeadlineError as exc:
            boot.watch.say(f"not settled: {exc.reason}")
        except ConnectionLostError as exc:
            boot.watch.insist_alive()
            problem = f"the SSH session broke while systemd settled: {exc}"
            raise boot.watch.failed(problem) from exc


def _no_jobs(boot: Boot, shell: Shell) -> None:
    try:
        command = "systemctl list-jobs --no-legend --plain"
        listed = shell.run(command, boot.deadline(_ASK_S), check=True)
    except DeadlineError as exc:
        raise NotYet(str(exc)) from exc
    jobs = [line.split()[1:3] for line in listed.stdout.splitlines() if line.strip()]
    if jobs:
        raise NotYet("jobs of systemd: " + ", ".join(" ".join(job) for job in jobs[:5]))


def applied(boot: Boot, session: Session, before_path: str = BEFORE) -> AppliedNode:
    """Return the node with its snapshots: the guest's own of before, and one taken now.

    Raises:
        RigError: a snapshot cannot be had.
    """
    was, before = _kept(boot, "before", session.read_text(before_path, boot.deadline(_ASK_S)))
    with boot.timed("snapshot"), boot.watch.phase("snapshot", "snapshot of the node"):
        taken = session.run(OBSERVE, boot.deadline(_SNAPSHOT_S), check=True)
    now, after = _kept(boot, "after", taken.stdout)
    timings = {name: round(took_s, 2) for name, took_s in boot.timings_s.items()}
    boot.watch.note(state=State.UP, before=was, after=now, timings_s=timings)
    return AppliedNode(
        machine=boot.machine, session=session, before=before, after=after,
        timings_s=tuple(boot.timings_s.items()), watch=boot.watch,
    )  # fmt: skip


def _kept(boot: Boot, name: str, text: str) -> tuple[LayerRecord, NodeState]:
    state = node_state.parse(text)
    return boot.evidence.keep_state(name, text, state), state
