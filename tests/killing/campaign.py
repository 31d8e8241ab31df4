"""`python -m killing.campaign [--kills N] [--seed S] [--from K] [--seconds T] [--only MOMENT]`.

Each kill is a run of its own. The exit status is 1 if something is left, or a kill was missed. The
seed is printed; with it, and with `--from`, the same kills are drawn.
"""

from __future__ import annotations

import argparse
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.model.clock import Deadline
from harness.standin import build
from killing import room as rooms
from killing.kill import Outcome, done
from killing.leftovers import all_left, own_processes
from killing.moments import SMALL, Kill, draw
from killing.room import ROOT, Room

_INSIDE = "--inside"
_TAIL = 4000


def main(words: Sequence[str] | None = None) -> int:
    """Run the campaign in a room of its own, and print its figures."""
    asked = _parser().parse_args(words)
    if asked.inside:
        return _campaign(asked, Room(base=asked.inside))
    seed = secrets.randbelow(1 << 32) if asked.seed is None else asked.seed
    given = list(sys.argv[1:] if words is None else words)
    if any(kill.moment.run != SMALL for kill in _kills(asked, seed)):
        build.ensure(Deadline.after(build.LIMIT_S), lambda line: print(line, flush=True))
    with rooms.made() as room:
        argv = ["killing.campaign", *given, "--seed", str(seed), _INSIDE, str(room.base)]
        inside = subprocess.run(rooms.command(argv), env=room.env, cwd=ROOT, check=False)
        return inside.returncode


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--from", type=int, default=1, dest="first", help="skip the kills before")
    parser.add_argument("--seconds", type=float, help="begin no kill later than this")
    parser.add_argument("--only", help="kills of this moment or run alone")
    parser.add_argument(_INSIDE, type=Path, help=argparse.SUPPRESS)
    return parser


def _campaign(asked: argparse.Namespace, room: Room) -> int:
    # A background job of a shell ignores it, and so would the runs.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    rooms.furnish(room)
    before = all_left(room.place, own_processes())
    print(f"kills: seed {asked.seed}", flush=True)
    began_s = time.monotonic()
    outcomes: list[Outcome] = []
    for kill in _kills(asked, asked.seed):
        if asked.seconds and time.monotonic() - began_s > asked.seconds:
            print(f"kills: the time is over, go on with --seed {asked.seed} --from {kill.number}")
            break
        outcomes.append(done(kill, room, before))
        _show(outcomes[-1])
        before |= outcomes[-1].left  # what one kill left counts once
    return conclusion(outcomes)


def _kills(asked: argparse.Namespace, seed: int) -> list[Kill]:
    return [
        kill
        for kill in draw(asked.kills, seed)
        if kill.number >= asked.first and asked.only in (None, kill.moment.name, kill.moment.run)
    ]


def _show(outcome: Outcome) -> None:
    swept = f", {len(outcome.swept)} swept by the next run" if outcome.swept else ""
    note = f" ({outcome.note})" if outcome.note else ""
    print(
        f"{outcome.kill}: {outcome.target or 'nobody'}{note}; left {len(outcome.left)}{swept}; "
        f"{outcome.seconds:.0f} s",
        flush=True,
    )
    for one in sorted(outcome.left):
        print(f"  left: {one}", flush=True)
    if outcome.left or not outcome.target:
        print(outcome.output[-_TAIL:], flush=True)


def conclusion(outcomes: Sequence[Outcome]) -> int:
    """Print the figures, and return the exit status."""
    killed = [one for one in outcomes if one.target]
    print("killed:", _counted(one.target for one in killed))
    print("at:", _counted(one.kill.moment.name for one in killed))
    print("swept by the next run:", _counted(left.kind for one in killed for left in one.swept))
    print("left:", _counted(left.kind for one in outcomes for left in one.left))
    missed = len(outcomes) - len(killed)
    left = sum(len(one.left) for one in outcomes)
    print(f"{len(killed)} kills, {missed} missed, {left} leftovers", flush=True)
    return 1 if left or missed or not killed else 0


def _counted(names: Iterable[str]) -> str:
    found = Counter(names)
    return ", ".join(f"{name} {count}" for name, count in found.most_common()) or "none"


if __name__ == "__main__":
    sys.exit(main())
