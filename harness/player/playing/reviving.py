"""Forks of a kept checkpoint: a play without machines of its own.

Keys, certificates and addresses are drawn as the checkpoint's play drew them, and the services run.
Then everything that decides what is in the checkpoint is compared, every byte of Ignition included.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from functools import partial
from pathlib import Path

import msgspec

from harness.machine.domain.domain import Domain
from harness.machine.forking.kept import Kept, key_of
from harness.machine.forking.kept_files import opened
from harness.machine.forking.key import Origin
from harness.machine.forking.saved import DamagedError
from harness.model.clock import Deadline
from harness.model.drawn import Drawn
from harness.model.errors import HarnessError
from harness.model.secrets.config import secrets_in
from harness.player.applied import CannotForkError, Forks
from harness.player.code import digest_of
from harness.player.inputs import Inputs, Rig
from harness.player.keeping import Keeping, play_of
from harness.player.plan import FromDisk, MachinePlan
from harness.player.playing.forking import Checkpoints
from harness.player.playing.keeping import note_usable
from harness.player.playing.machines import planned, written_iso
from harness.player.playing.origins import origin_at
from harness.player.playing.saved_node import Notes, SavedNode
from harness.player.playing.stage import Stage, staged
from harness.player.scenario import Scenario

_OPEN_S = 600.0
_MADE_OF = "was made of another {}"


@contextmanager
def revived(scenario: Scenario, rig: Rig, inputs: Inputs, step: str) -> Iterator[Forks]:
    """Context manager that yields what runs forks of a scenario's kept checkpoint at `step`.

    The newest that can be used is; why another one cannot be is reported.

    Raises:
        CannotForkError: none can be used.
    """
    keeping = rig.keeping
    for kept in keeping.candidates(scenario.name, step) if keeping else ():
        with ExitStack() as stack:
            try:
                forks = stack.enter_context(_revived(scenario, rig, inputs, kept, keeping))
            except HarnessError as exc:
                rig.report(f"{scenario.name}: kept checkpoint of {kept.made}: {exc.problem}")
                continue
            rig.report(f"{scenario.name}: forks start from the checkpoint {step} of {kept.made}")
            yield forks
            return
    raise CannotForkError(f"kept checkpoint {scenario.name} {step}", "there is none")


@contextmanager
def _revived(
    scenario: Scenario, rig: Rig, inputs: Inputs, kept: Kept, keeping: Keeping | None
) -> Iterator[Forks]:
    if keeping is None or kept.machines.keys() > {plan.name for plan in scenario.machines}:
        raise _unusable(kept, "has other machines")
    if any(
        each.origin.code != digest_of(scenario, inputs.given) for each in kept.machines.values()
    ):
        raise _unusable(kept, _MADE_OF.format("code"))  # before services start in vain
    if kept.services:  # they start from its files
        _take(rig, kept, keeping)
    drawn, saved = Drawn(play_of(kept)), {n: kept.folder / f for n, f in kept.services.items()}
    with staged(scenario, rig, inputs, drawn, saved) as site, ExitStack() as stack:
        domains = {name: _domain(site, name, kept) for name in kept.machines}
        origins = {name: origin_at(site, kept.step, domain) for name, domain in domains.items()}
        if key_of(origins) != kept.key:
            raise _unusable(kept, _MADE_OF.format(_difference(kept, origins)))
        if not kept.services:
            _take(rig, kept, keeping)
        for name, domain in domains.items():
            if domain.cdrom is not None:
                plan = scenario.plan_of(name)
                stack.enter_context(written_iso(site, plan, domain.cdrom))
        checkpoints = Checkpoints(site)
        stack.callback(checkpoints.close)
        checkpoints.adopt(kept, {n: _opened(site, kept, n, each) for n, each in domains.items()})
        note_usable(site, keeping)
        yield checkpoints


def _take(rig: Rig, kept: Kept, keeping: Keeping) -> None:
    """Lock a checkpoint, all of which is read."""
    with rig.awaiting(partial("{}: reading the checkpoint {}".format, kept.scenario, kept.step)):
        if not keeping.store.take(kept):
            raise _unusable(kept, "is not there any more, or damaged")


def _domain(site: Stage, machine: str, kept: Kept) -> Domain:
    """Return what the domain of a kept machine would be in this run."""
    plan = site.scenario.plan_of(machine)
    for secret in secrets_in(site.config_of(machine)):
        site.rig.redactor.add(secret)
    return site.rig.plan(site.rig.connection, site.rig.run, planned(site.rig, site, plan))


def _opened(site: Stage, kept: Kept, machine: str, domain: Domain) -> SavedNode:
    known = kept.machines[machine]
    folder = site.rig.run.scratch / f"kept-{secrets.token_hex(3)}" / machine
    try:
        saved = opened(
            kept, machine, domain=domain, base=_base(site, site.scenario.plan_of(machine)),
            folder=folder, deadline=Deadline.after(_OPEN_S),
        )  # fmt: skip
        return SavedNode(machine=saved, origin=known.origin, notes=Notes.from_json(known.notes))
    except (DamagedError, msgspec.ValidationError) as exc:
        problem = exc.problem if isinstance(exc, DamagedError) else "its notes are damaged"
        raise _unusable(kept, problem) from exc


def _base(site: Stage, plan: MachinePlan) -> Path | None:
    """Return the image that a machine was booted from, None if its disk was blank."""
    if not isinstance(plan.medium, FromDisk):
        return None
    return site.inputs.images.disk(plan.medium.image).path


def _difference(kept: Kept, origins: Mapping[str, Origin]) -> str:
    """Return in which fields machines differ from those of a checkpoint."""
    names = [
        field.name
        for field in fields(Origin)
        if any(
            getattr(origin, field.name) != getattr(kept.machines[name].origin, field.name)
            for name, origin in origins.items()
        )
    ]
    return " and ".join(names) or "set of machines"


def _unusable(kept: Kept, problem: str) -> CannotForkError:
    return CannotForkError(f"kept checkpoint {kept.name}", problem)
