"""The moments at which a process of a run is killed, and how they are drawn.

Most kills are early, where runs cost seconds, so that a hundred take about an hour in emulation.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

OWNER, CONTROLLER, WORKER = "owner", "controller", "xdist worker"
QEMU, REGISTRY, REAPER = "QEMU", "registry", "reaper"
NBD, TPM, SKOPEO = "qemu-nbd", "swtpm", "skopeo"
_ANY = (OWNER, QEMU, REGISTRY, REAPER)
SMALL = "small"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Up to `spread_s` after the output of the run has `mark`.

    `run` is `small`, a program with machines made of boot sectors, or the name of a scenario.
    `weight` is how many of a hundred kills it gets.
    """

    name: str
    run: str
    mark: str
    spread_s: float
    weight: int
    targets: tuple[str, ...] = _ANY
    hardware: str = ""


_LOGIN, _NODE, _PIVOT, _INSTALL = "ipi_bootstrap", "ipi_bootstrap", "ipi_node", "upi_install"
_EXTRA = "tpm,multipath"
MOMENTS = (
    Moment(name="begin", run=SMALL, mark="phase begin", spread_s=0.6, weight=6, targets=(OWNER,)),
    Moment(name="own run folder", run=SMALL, mark="phase run", spread_s=0.3, weight=4),
    Moment(name="registry", run=SMALL, mark="phase registry", spread_s=1.0, weight=4),
    Moment(
        name="push", run=SMALL, mark="phase push", spread_s=0.6, weight=4,
        targets=(*_ANY, SKOPEO),
    ),
    Moment(
        name="power-on", run=SMALL, mark="phase boot", spread_s=2.5, weight=6,
        targets=(*_ANY, NBD, TPM),
    ),
    Moment(name="save", run=SMALL, mark="phase save", spread_s=0.8, weight=8),
    Moment(name="load", run=SMALL, mark="phase load", spread_s=1.5, weight=8),
    Moment(name="forks", run=SMALL, mark="phase forks", spread_s=1.0, weight=5),
    Moment(name="clean-up", run=SMALL, mark="phase leaving", spread_s=0.5, weight=7),
    Moment(
        name="collection", run=_LOGIN, mark="", spread_s=7.0, weight=8,
        targets=(CONTROLLER, WORKER, REGISTRY, REAPER),
    ),
    Moment(
        name="inputs", run=_LOGIN, mark=r"serving \S+ \(", spread_s=4.0, weight=5,
        targets=(CONTROLLER, WORKER, REGISTRY, REAPER, SKOPEO),
    ),
    Moment(
        name="Ignition", run=_LOGIN, mark=r": kernel took", spread_s=18.0, weight=9,
        targets=(*_ANY, CONTROLLER, WORKER),
    ),
    Moment(
        name="Ignition, TPM and two paths", run=_LOGIN, mark=r": kernel took", spread_s=18.0,
        weight=4, targets=(OWNER, QEMU, NBD, TPM), hardware=_EXTRA,
    ),
    Moment(
        name="login", run=_LOGIN, mark=r"switch to the real root took", spread_s=15.0, weight=4,
        targets=(*_ANY, CONTROLLER, WORKER),
    ),
    Moment(
        name="save at login", run=_LOGIN, mark=r"logged in by SSH", spread_s=3.0, weight=4,
        targets=(*_ANY, CONTROLLER, WORKER),
    ),
    Moment(
        name="pull", run=_NODE, mark=r"pull: ", spread_s=50.0, weight=4,
        targets=(*_ANY, CONTROLLER, WORKER),
    ),
    Moment(
        name="overlay", run=_NODE, mark=r"pull of the node image took", spread_s=18.0, weight=2,
        targets=(*_ANY, WORKER),
    ),
    Moment(
        name="kubelet", run=_NODE, mark=r"overlay of the node image took", spread_s=20.0, weight=2,
        targets=(*_ANY, WORKER),
    ),
    Moment(
        name="forks of a node", run=_NODE, mark=r"checkpoint applied saved", spread_s=12.0,
        weight=1, targets=(*_ANY, WORKER),
    ),
    Moment(
        name="judgement", run=_NODE, mark=r"PASSED", spread_s=20.0, weight=1,
        targets=(*_ANY, CONTROLLER, WORKER),
    ),
    Moment(
        name="install", run=_INSTALL, mark=r"step \d of \d, install", spread_s=40.0, weight=2,
    ),
    Moment(name="pivot", run=_PIVOT, mark=r"pivot: ", spread_s=50.0, weight=2),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """One kill as it was drawn: the first of `targets` that runs at that moment is killed.

    With `workers`, the run is pytest with an xdist worker.
    """

    number: int
    moment: Moment
    delay_s: float
    targets: tuple[str, ...]
    workers: bool
    choice: float

    def __str__(self) -> str:
        moment = self.moment
        return f"kill {self.number}: {moment.run}, {moment.name} + {self.delay_s:.2f} s"


def draw(count: int, seed: int, moments: Sequence[Moment] = MOMENTS) -> tuple[Kill, ...]:
    """Return `count` kills; the same numbers give the same kills.

    The moments come in proportion to their weights, each with all of its targets in turn.
    """
    chance = random.Random(seed)  # noqa: S311 - to be repeatable is the point
    drawn = _in_proportion(count, moments)
    chance.shuffle(drawn)
    turns = {moment.name: chance.randrange(len(moment.targets)) for moment in moments}
    return tuple(_kill(number, moment, turns, chance) for number, moment in enumerate(drawn, 1))


def _in_proportion(count: int, moments: Sequence[Moment]) -> list[Moment]:
    total = sum(moment.weight for moment in moments)
    shares = {moment.name: count * moment.weight / total for moment in moments}
    drawn = [moment for moment in moments for _ in range(int(shares[moment.name]))]
    by_rest = sorted(moments, key=lambda one: int(shares[one.name]) - shares[one.name])
    return [*drawn, *by_rest[: count - len(drawn)]]


def _kill(number: int, moment: Moment, turns: dict[str, int], chance: random.Random) -> Kill:
    turns[moment.name] = turn = (turns[moment.name] + 1) % len(moment.targets)
    targets = (*moment.targets[turn:], *moment.targets[:turn])
    return Kill(
        number=number, moment=moment, delay_s=chance.uniform(0, moment.spread_s), targets=targets,
        workers=targets[0] in (CONTROLLER, WORKER), choice=chance.random(),
    )  # fmt: skip
