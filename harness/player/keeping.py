"""Where a run keeps its checkpoints, for later runs or for its other workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.machine.forking.kept import Kept
from harness.machine.forking.store import Store
from harness.model.drawn import Drawing, of_scope, scoped

_REGISTRY, _PLAY = "registry", "play"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """`registry` is what was drawn for this run's registry, which guests know by it.

    `has_authfile`: the user gave one. `with_secrets`: what has secrets of the user is kept, too.
    `outlives_run`: the store is the user's, not one of this run's workers alone. `note_usable` is
    called with each scenario of which a checkpoint was kept or used.
    """

    store: Store
    registry: tuple[Drawing, ...] = ()
    has_authfile: bool = False
    with_secrets: bool = False
    outlives_run: bool = True
    note_usable: Callable[[str], None] = lambda _: None

    @property
    def purpose(self) -> str:
        """What is done to a checkpoint, as reports say it."""
        return "kept" if self.outlives_run else "shared with the other workers"

    def drawn(self, play: tuple[Drawing, ...]) -> tuple[Drawing, ...]:
        """Return all drawings that a checkpoint of a play has to have."""
        return (*scoped(_REGISTRY, self.registry), *scoped(_PLAY, play))

    def candidates(self, scenario: str, step: str = "") -> tuple[Kept, ...]:
        """Return the kept checkpoints of a scenario, at `step` if given, the newest first.

        Only those whose guests know this run's registry.
        """
        return tuple(
            kept
            for kept in self.store.entries()
            if kept.scenario == scenario and step in ("", kept.step)
            if registry_of(kept) == self.registry
        )


def registry_of(kept: Kept) -> tuple[Drawing, ...]:
    """Return what was drawn for the registry that the guests of a checkpoint know."""
    return of_scope(_REGISTRY, kept.drawn)


def play_of(kept: Kept) -> tuple[Drawing, ...]:
    """Return what the play of a checkpoint drew."""
    return of_scope(_PLAY, kept.drawn)
