"""What one pytest process opens for its machines: one run, one connection, one registry.

Everything is opened on first use and closed together, the machines first. Under xdist each worker
has its own workplace; `share` is what they have together.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import cached_property
from types import FrameType

from harness.diagnosis import rules
from harness.diagnosis.allow import NOTHING_ALLOWED, AllowList
from harness.diagnosis.rules import Rulebook
from harness.machine.connection import open_connection
from harness.machine.ownership.run import begin_run
from harness.model.errors import HarnessError, InputError, ProductError
from harness.model.node_state import NodeState
from harness.node import machine_id
from harness.node.dial import Endpoint
from harness.node.login import Login, login_files
from harness.player.applied import AppliedNode, AppliedNodes, Forks, OwnNode
from harness.player.inputs import Inputs, Rig
from harness.player.plan import MachinePlan
from harness.player.player import play, play_to
from harness.player.playing.progress import require_step
from harness.player.playing.reviving import revived
from harness.player.scenario import Scenario
from harness.recording.artifacts import Artifacts
from harness.report.history.durations import usual_s
from harness.verdict.findings import judge
from harness.verdict.passage import Passage
from harness.verdict.rows import Invariant, InvariantRow, Row
from harness.waiting import WaitReporter
from harness.workplace.nodes import Nodes
from harness.workplace.options import Settings, require_bootable
from harness.workplace.preparation import Preparation
from harness.workplace.serving import Served
from harness.workplace.shared import Share
from harness.workplace.subject import provenance

LOG = logging.getLogger(__name__)
COLD, FORKED = "cold", "forked"
_ASK_S = 30.0


class Workplace:
    """The rig and the inputs of this process, and the nodes that are up."""

    def __init__(
        self,
        settings: Settings,
        report: Callable[[str], None],
        artifacts: Artifacts,
        allow: AllowList = NOTHING_ALLOWED,
        rulebook: Rulebook | None = None,
        show_failure: Callable[[Mapping[str, Login], str], None] | None = None,
        share: Share | None = None,
    ) -> None:
        self._report = WaitReporter.of(report)
        self.preparation = Preparation(settings, self._report)
        self._settings = settings
        self._artifacts = artifacts
        self._allow = allow
        self._rulebook = rulebook or rules.shipped()
        self._show_failure = show_failure
        self._share = share
        self._stack = ExitStack()
        self._node_of: dict[str, str] = {}
        has_kept = settings.checkpoints.outlive_runs or share is not None
        self._nodes = Nodes(self._play, self._play_to, self._revive if has_kept else None)
        self._nodes.are_fresh = settings.fresh

    def check(self, chosen: Iterable[Scenario], forks_at: Iterable[str] = ()) -> None:
        """Check all inputs. SIGTERM ends a download or build that this starts, with its clean-up.

        `chosen` are the scenarios that tests will use, `forks_at` the steps at which they want
        nodes of their own.

        Raises:
            InputError: an input of the user cannot be used, or the host lacks a program.
            RigError: something could not be fetched or built.
        """
        require_bootable(self._settings)
        plans: list[MachinePlan] = []
        if not self._settings.fresh:
            self._nodes.forks_at = frozenset(forks_at)
        for scenario in chosen:
            steps = scenario.checked_steps(self.preparation.given)
            self.preparation.require_needs(scenario)
            require_step(scenario.name, steps, self._settings.until)
            plans += scenario.machines
        self._stack.enter_context(_terminable())
        self.preparation.check(plans)

    @cached_property
    def rig(self) -> Rig:
        """The run of this process, connected to libvirt; it first removes what killed runs left."""
        ready = self.preparation
        artifacts = self._artifacts
        self._stack.enter_context(_terminable())
        with self._report.awaiting("removing what dead runs left, connecting to libvirt"):
            run = self._stack.enter_context(begin_run())
            run.memory.awaiting = self._report.awaiting
            connection = self._stack.enter_context(
                open_connection(self._settings.libvirt_uri, run.folder)
            )
        return Rig(
            connection=connection,
            run=run,
            emulator=ready.emulator,
            acceleration=ready.acceleration,
            timeout_factor=ready.acceleration.timeout_factor * self._settings.timeout_factor,
            memory_mib=self._settings.memory_mib,
            hardware=self._settings.hardware,
            until=self._settings.until,
            checkpoints=self._nodes.forks_at,
            usual_s=self.usual_s,
            evidence=artifacts.folder,
            report=self._report,
            awaiting=self._report.awaiting,
            at_failure=lambda endpoints, error: self.show_failure(endpoints, str(error)),
            reserve=run.memory.ahead,
            redactor=artifacts.redactor,
            allow=self._allow,
            rules=self._rulebook,
            today=artifacts.today,
        )

    @cached_property
    def inputs(self) -> Inputs:
        """Everything that is tested, including the images, which are served to the guests."""
        with self._report.awaiting("serving the images to the guests"):
            return self._served.inputs

    @cached_property
    def _served(self) -> Served:
        return Served(
            self.preparation, self._settings, self.rig.run, report=self._report,
            stack=self._stack, share=self._share,
        )  # fmt: skip

    def nodes(self, scenario: Scenario, asker: str = "") -> AbstractContextManager[AppliedNodes]:
        """Context manager that yields the nodes of `scenario`, and boots them if they are not up.

        A scenario that failed is not brought up again for another `asker`.

        Raises:
            InputError: the scenario lacks an image or a service.
        """
        return self._nodes.of(scenario, asker)

    def own_nodes(
        self, scenario: Scenario, step: str, asker: str
    ) -> AbstractContextManager[Mapping[str, OwnNode]]:
        """Context manager that yields machines of `scenario` at `step` for one test alone.

        They are forks if possible, else booted.

        Raises:
            InputError: no checkpoint was to be made at this step.
        """
        return self._nodes.own(scenario, step, asker)

    @contextmanager
    def nodes_at(self, scenario: Scenario, step: str) -> Iterator[Mapping[str, OwnNode]]:
        """Context manager that yields all machines of `scenario` at `step`, for a user to look at.

        They are forks of a kept checkpoint if one can be used; else they are booted, and their
        checkpoint is kept if the settings say so.

        Raises:
            InputError: the scenario has no such step, or lacks an image or a service.
        """
        keeps = self._settings.checkpoints.outlive_runs
        with ExitStack() as stack:
            nodes = self._nodes.kept_fork(scenario, step, stack)
            if nodes is None:
                self.preparation.require_needs(scenario)
                steps = frozenset({step}) if keeps else frozenset()
                nodes = stack.enter_context(play_to(scenario, *self._given, step, steps))
            yield nodes

    def hand_over(self, own: OwnNode, test: str, *, new_machine_id: bool) -> None:
        """Record what a test's own node is, and give a fork a machine-id of its own if asked.

        Raises:
            InputError: its scenario had not logged in at that step.
            RigError: the node does not take the machine-id.
        """
        is_kept = own.is_kept and self._settings.checkpoints.outlive_runs
        kept = f" from {own.checkpoint}" if is_kept else ""
        self._node_of[test] = f"{FORKED}{kept}" if own.is_forked else COLD
        if new_machine_id and own.is_forked:  # one that was booted has made its own
            machine_id.renew(own.session, self.rig.deadline(_ASK_S))

    def node_of(self, test: str) -> str:
        """Return whether the node of a test is `forked`, or was booted `cold`.

        A fork of a kept checkpoint is `forked from SCENARIO STEP of TIME`.
        """
        return self._node_of.get(test, COLD)

    def end_state(self, scenario: Scenario) -> NodeState:
        """Return the end state of a scenario's node; boot it if this process has not done so.

        Raises:
            InputError: the scenario has several nodes.
        """
        return self._nodes.end_state(scenario)

    def why_dead(self, scenario: str) -> HarnessError | None:
        """Return the fatal error of a node that is up, None if it has none."""
        return self._nodes.why_dead(scenario, self._artifacts.path)

    def judge(self, row: Row, node: AppliedNode) -> None:
        """Check that `row` holds for `node`, which is up.

        Raises:
            ProductError: the row does not hold; the message is the finding.
        """
        image = self.preparation.node_image
        if isinstance(row, InvariantRow) and row.name is Invariant.NO_ADDITIONAL_REBOOTS:
            # Reads the lines since the snapshots, which may show a reboot.
            node.watch.check_alive()
        passage = Passage(
            before=node.before, after=node.after, boots=node.watch.boots,
            way=node.way, reboots=node.reboots,
            base_version=image.claims.version, digest=image.digest,
            ocp=self.preparation.expectations.ocp or image.claims.ocp_versions,
            aliases=frozenset(self._aliases()), taken=node.node_image,
        )  # fmt: skip
        finding = judge(row, passage)
        if finding is not None:
            raise ProductError(finding.render())

    def _aliases(self) -> Iterator[str]:
        """Yield the other digests that the node image may have."""
        if listed := self.preparation.node_image.list_digest:
            yield listed
        if "inputs" in vars(self):
            # A local image that is converted when it is pushed gets another digest.
            yield self.inputs.pull_spec.partition("@")[2]

    def show_failure(self, endpoints: Mapping[str, Endpoint], text: str) -> None:
        """Give the user a way into machines that run, if that is wanted at a failure."""
        if self._show_failure is None or not endpoints:
            return
        with login_files(self.rig.run.folder, endpoints) as logins:
            self._show_failure(logins, text)

    def facts(self) -> tuple[tuple[str, str], ...]:
        """Return what is tested and where the evidence is, as names and values."""
        opened = "rig" in vars(self)
        where = (("evidence", str(self.rig.evidence)),) if opened else ()
        return (*provenance(self.preparation), *where)

    def close(self) -> None:
        """Close everything that was opened. It may be called twice."""
        with ExitStack() as closing:
            closing.callback(self.preparation.close)
            closing.callback(self._stack.close)
            with self._report.awaiting("taking the machines down"):
                self._nodes.close()

    def usual_s(self, scenario: str) -> float | None:
        """Return how long a scenario usually takes, or None if it is not in the history.

        The history file was checked at the start. Only progress lines use the result.
        """
        path, acceleration = self._settings.history, str(self.preparation.acceleration.kind)
        try:
            return usual_s(path, scenario, acceleration) if path else None
        except InputError as exc:
            LOG.info("how long %s usually takes is not known: %s", scenario, exc)
            return None

    def _play(self, scenario: Scenario) -> AbstractContextManager[AppliedNodes]:
        self.preparation.require_needs(scenario)
        return play(scenario, *self._given)

    def _play_to(
        self, scenario: Scenario, step: str
    ) -> AbstractContextManager[Mapping[str, OwnNode]]:
        self.preparation.require_needs(scenario)
        return play_to(scenario, *self._given, step)

    def _revive(self, scenario: Scenario, step: str) -> AbstractContextManager[Forks]:
        self.preparation.require_needs(scenario)
        return revived(scenario, *self._given, step)

    @property
    def _given(self) -> tuple[Rig, Inputs]:
        rig, inputs = self.rig, self.inputs  # the registry decides which checkpoints can be used
        if self._share is None and not self._settings.checkpoints.outlive_runs:
            return rig, inputs
        return replace(rig, keeping=self._served.keeping), inputs


@contextmanager
def _terminable() -> Iterator[None]:
    """Handle SIGTERM like Ctrl-C, unless it already has another handler."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt("SIGTERM")

    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
