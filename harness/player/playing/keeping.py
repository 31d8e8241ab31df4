"""Keep the checkpoints of a play for later runs or other workers, or say why not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from harness.machine.forking.kept_files import Part
from harness.model.clock import Deadline
from harness.model.drawn import Drawn
from harness.model.errors import HarnessError, InputError
from harness.model.secrets.config import secrets_in
from harness.player.inputs import Rig
from harness.player.keeping import Keeping, play_of
from harness.player.plan import FromNetwork
from harness.player.playing.saved_node import SavedNode
from harness.player.playing.stage import Stage
from harness.player.scenario import Scenario

_KEEP_S = 300.0


def drawn_before(scenario: Scenario, rig: Rig) -> Drawn:
    """Return what the play of the newest kept checkpoint drew, to be drawn again.

    A play that differs in nothing else then makes the same checkpoint, which need not be kept
    again.
    """
    known = rig.keeping.candidates(scenario.name) if rig.keeping else ()
    return Drawn(play_of(known[0])) if known else Drawn()


@runtime_checkable
class LearningService(Protocol):
    """A service that has learnt in the run what guests depend on, such as a control plane."""

    def save(self, path: Path) -> None:
        """Write that to the new file `path`, while all machines stand still."""


def learnt_by_services(site: Stage, folder: Path) -> Mapping[str, Path]:
    """Return the new files, in `folder`, of what services have learnt; none if nothing is kept.

    Raises:
        InputError: no space is left, among others.
    """
    if site.rig.keeping is None or any(_problems(site, site.rig.keeping)):
        return {}
    found = {}
    for service in site.scenario.services:
        value = site.services.get(service.name)
        if service.has_state and isinstance(value, LearningService):
            path = found[service.name] = folder / f"{service.name}.saved"
            try:
                value.save(path)
            except OSError as exc:
                problem = f"cannot be saved: {exc.strerror or exc}"
                raise InputError(f"service {service.name}", problem, "Free disk space.") from exc
    return found


def keep(
    site: Stage, step: str, saved: Mapping[str, SavedNode], learnt: Mapping[str, Path]
) -> None:
    """Keep a checkpoint for whom the run keeps them; else report why not.

    `learnt` are the files of services. The machines go on meanwhile.
    """
    rig = site.rig
    if (keeping := rig.keeping) is None:
        return
    try:
        if problem := next(_problems(site, keeping), ""):
            rig.report(f"{site.name}: the checkpoint {step} is not {keeping.purpose}: {problem}")
            return
        with rig.awaiting(lambda: f"{site.name}: storing the checkpoint {step}"):
            kept = keeping.store.keep(
                site.name, step, {name: _part(each) for name, each in saved.items()},
                keeping.drawn(site.drawn.all), Deadline.after(_KEEP_S * rig.timeout_factor), learnt,
            )  # fmt: skip
    except HarnessError as exc:
        problem = f"{exc.subject}: {exc.problem}"
        rig.report(f"{site.name}: the checkpoint {step} is not {keeping.purpose}: {problem}")
        return
    note_usable(site, keeping)
    where = f" in {kept.folder}" if keeping.outlives_run else ""
    rig.report(f"{site.name}: checkpoint {step} {keeping.purpose}{where}")


def note_usable(site: Stage, keeping: Keeping) -> None:
    """Note that others can use the checkpoints of a play while it lasts: no port of it is asked."""
    if not site.asked_later:
        keeping.note_usable(site.name)


def _part(saved: SavedNode) -> Part:
    return Part(saved=saved.machine, origin=saved.origin, notes=saved.notes.to_json())


def _problems(site: Stage, keeping: Keeping) -> Iterator[str]:
    """Yield why the checkpoints of a play are not kept."""
    if any(isinstance(plan.medium, FromNetwork) for plan in site.scenario.machines):
        yield "its machines boot by network, from a server of this run"
    for service in site.scenario.services:
        value = site.services.get(service.name)
        if service.has_state and not isinstance(value, LearningService | None):
            yield f"its nodes depend on the {service.name} of this run"
    if not keeping.outlives_run:
        for name in sorted(site.asked_later):
            yield f"only one of them can serve the {name} at its ports"
    if not keeping.with_secrets:
        for option in _with_secrets(site, keeping):
            yield f"{option} may have secrets; --checkpoints keep-secrets keeps them too"


def _with_secrets(site: Stage, keeping: Keeping) -> Iterator[str]:
    """Yield the options by which the user gave what a checkpoint must not keep unasked."""
    inputs = site.inputs
    if keeping.has_authfile or inputs.authfile is not None:
        yield "--authfile"
    for option, document in (
        ("--bootstrap-ignition", inputs.bootstrap_ignition),
        ("--live-ignition", inputs.live_ignition),
        *(("--ignition", each) for each in inputs.extra_ignition),
    ):
        if document is not None and any(secrets_in(document)):
            yield option
