"""The checkpoints of one play, by the names of their steps, and the forks of its machines."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from harness.machine.domain.segment import Segment
from harness.machine.forking.kept import Kept
from harness.machine.forking.saved import DamagedError, save, suspended
from harness.model.clock import Deadline, unix_time
from harness.model.errors import HarnessError
from harness.node.ssh import Session
from harness.player.applied import AppliedNode, CannotForkError, OwnNode, no_checkpoint
from harness.player.playing.keeping import keep, learnt_by_services
from harness.player.playing.origins import origin_at
from harness.player.playing.saved_node import Judged, Notes, SavedNode
from harness.player.playing.stage import Stage, new_segments
from harness.player.running import Running
from harness.watching.evidence import Evidence
from harness.watching.fork_watch import ForkWatch

_SAVE_S = 60.0
_START_S = 60.0
_LOGIN_S = 60.0
_ASK_S = 30.0
_SEED_BYTES = 64
_NOT_YET: Mapping[str, AppliedNode] = MappingProxyType({})


class Checkpoints:
    """Saves the machines of a play, and runs forks of them as long as the play lasts."""

    def __init__(self, site: Stage) -> None:
        self._site = site
        self._rig = site.rig
        self._saved: dict[str, Mapping[str, SavedNode]] = {}
        self._lost: dict[str, str] = {}
        self._kept: dict[str, Kept] = {}
        self._folder = self._rig.run.scratch / f"checkpoints-{secrets.token_hex(3)}"

    def save(self, step: str, applied: Mapping[str, AppliedNode] = _NOT_YET) -> None:
        """Save all machines that are on, while none of them runs.

        `applied` are the nodes of the scenario's end. A problem is reported: without the
        checkpoint, tests get machines that were booted cold.
        """
        site, running = self._site, self._site.machines
        with self._rig.awaiting(partial("{}: saving the checkpoint {}".format, site.name, step)):
            try:
                self._wait_for_sessions(running.values())
                began_s = self._rig.clock.monotonic()
                with suspended(each.machine for each in running.values()):
                    self._saved[step] = {
                        name: self._save(step, each, applied.get(name))
                        for name, each in running.items()
                    }
                    learnt = learnt_by_services(site, self._folder / _folder_of(step))
            except HarnessError as exc:
                self._lose(step, f"{exc.subject}: {exc.problem}")
                return
        took_s = self._rig.clock.monotonic() - began_s
        self._rig.report(f"{site.name}: checkpoint {step} saved in {took_s:.1f} s")
        keep(site, step, self._saved[step], learnt)

    def adopt(self, kept: Kept, saved: Mapping[str, SavedNode]) -> None:
        """Use the machines of a kept checkpoint, which were opened."""
        self._saved[kept.step] = saved
        self._kept[kept.step] = kept

    @contextmanager
    def fork(self, step: str) -> Iterator[Mapping[str, OwnNode]]:
        """Context manager that runs a fork of each machine of a checkpoint; on leaving, all end.

        Raises:
            InputError: there is no such checkpoint.
            CannotForkError: it could not be made, or cannot be used and is dropped.
            RigError: a fork cannot be run, or does not answer.
        """
        saved = self._of(step)
        with ExitStack() as stack:
            try:
                for one in saved.values():
                    one.machine.require_usable(one.origin.key)
                links = _links(saved, new_segments(self._site.scenario, self._rig))
                nodes = {
                    name: stack.enter_context(self._forked(step, name, one, links.get(name)))
                    for name, one in saved.items()
                }
            except DamagedError as exc:
                self._lose(step, exc.problem)
                raise self._cannot(step) from exc
            yield nodes

    def close(self) -> None:
        """Remove the files of all checkpoints."""
        for saved in self._saved.values():
            _remove(saved)
        self._saved.clear()

    def _wait_for_sessions(self, machines: Iterable[Running]) -> None:
        """Wait until the guests have opened the sessions of their logins.

        sshd accepts a login before that, and the first one makes systemd start the user's manager.
        If that is still to be done, every fork does it, and its own login waits for it.
        """
        for running in machines:
            if running.logged_in is not None:
                limit = self._rig.deadline(_LOGIN_S)
                running.logged_in.run("true", limit, check=True, sudo=False)

    def _save(self, step: str, running: Running, applied: AppliedNode | None) -> SavedNode:
        domain = running.machine.domain
        origin = origin_at(self._site, step, domain)
        folder = self._folder / _folder_of(step) / running.name
        limit = Deadline.after(_SAVE_S * self._rig.timeout_factor)
        notes = Notes(
            boots=running.watch.boots, is_logged_in=running.logged_in is not None,
            mac=domain.segment.mac if domain.segment else "",
            judged=Judged.of(applied) if applied else None,
        )  # fmt: skip
        saved = save(running.machine, folder, origin, limit)
        return SavedNode(machine=saved, origin=origin, notes=notes)

    def _of(self, step: str) -> Mapping[str, SavedNode]:
        if step in self._lost:
            raise self._cannot(step)
        try:
            return self._saved[step]
        except KeyError as exc:
            raise no_checkpoint(self._site.name, step, self._saved) from exc

    def _lose(self, step: str, problem: str) -> None:
        """Report why a checkpoint cannot be used, and remove what there is of it."""
        self._lost[step] = problem
        _remove(self._saved.pop(step, {}))
        if (kept := self._kept.pop(step, None)) is not None and self._rig.keeping:
            self._rig.keeping.store.drop(kept, problem)
        text = f"no checkpoint {step}, so that its tests boot machines cold: {problem}"
        self._rig.report(f"{self._site.name}: {text}")

    def _cannot(self, step: str) -> CannotForkError:
        return CannotForkError(f"checkpoint {step}", self._lost[step])

    @contextmanager
    def _forked(
        self, step: str, name: str, saved: SavedNode, segment: Segment | None
    ) -> Iterator[OwnNode]:
        rig, site = self._rig, self._site
        record_name = f"{site.scenario.record_name(name)}-fork"
        evidence = Evidence.begin(rig.evidence, record_name, rig.redactor, rig.report)
        # Not by the rig's clock: what starts QEMU is on the host.
        limit = Deadline.after(_START_S * rig.timeout_factor)
        forked = rig.fork(rig.connection, rig.run, saved.machine, record_name, limit, segment)
        with forked as machine:
            evidence.keep_domain(machine)
            checkpoint = self._named(step)
            watch = ForkWatch(
                machine=machine, evidence=evidence, scenario=site.name, checkpoint=checkpoint,
                boots=saved.notes.boots, clock=rig.clock,
            )  # fmt: skip
            try:
                is_logged_in, judged = saved.notes.is_logged_in, saved.notes.judged
                with self._session(watch) if is_logged_in else nullcontext() as session:
                    yield OwnNode(
                        name=name, machine=machine, watch=watch, checkpoint=checkpoint,
                        logged_in=session, is_kept=step in self._kept,
                        applied=judged.on(machine, session, watch) if judged and session else None,
                    )  # fmt: skip
            finally:
                watch.finish()

    def _named(self, step: str) -> str:
        """Return what reports call a checkpoint, with its time if it is of an earlier run."""
        kept = self._kept.get(step)
        return f"{self._site.name} {step}" + (f" of {kept.made}" if kept else "")

    @contextmanager
    def _session(self, watch: ForkWatch) -> Iterator[Session]:
        """Context manager that logs in to a fork, whose clock and random numbers are then its own.

        Raises:
            RigError: it does not answer.
        """
        rig = self._rig
        with ExitStack() as closing:
            with watch.phase("fork", f"login to the fork of {watch.record.checkpoint}"):
                limit = rig.deadline(_LOGIN_S)
                endpoint = replace(self._site.endpoint_of(watch.machine), is_up=True)
                session = closing.enter_context(rig.connect(endpoint, limit, watch.check_alive))
                session.run(_renewal(), rig.deadline(_ASK_S), check=True)
            rig.report(f"{watch.record.name}: logged in {watch.elapsed_s:.1f} s after its start")
            yield session


def _folder_of(step: str) -> str:
    return step.replace(":", "-")


def _renewal() -> str:
    """Return the command that sets the clock of a fork, and gives its kernel new random bytes.

    A kernel with the driver vmgenid has made its random numbers anew before this; others mix these
    bytes in at their next reseeding.
    """
    seed = base64.b64encode(secrets.token_bytes(_SEED_BYTES)).decode()
    now = unix_time()
    return f"date --utc --set=@{now:.3f} >/dev/null && echo {seed} | base64 -d >/dev/urandom"


def _links(
    saved: Mapping[str, SavedNode], segments: Mapping[str, Segment]
) -> Mapping[str, Segment]:
    """Return the new links of forks; their cards keep the addresses that their guests know."""
    return {
        name: replace(segment, mac=mac)
        for name, segment in segments.items()
        if name in saved and (mac := saved[name].notes.mac)
    }


def _remove(saved: Mapping[str, SavedNode]) -> None:
    for one in saved.values():
        one.machine.drop()
