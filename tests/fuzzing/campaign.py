"""The long campaign: `python -m fuzzing.campaign [TARGET…] [--seconds N] [--corpus FOLDER]`.

Each reader is tried in a process of its own for so many seconds of CPU time, so that a busy host
tries as much. Inputs that crash are kept in the corpus and are tried first by the next campaign.
A campaign that was stopped goes on with `--resume`: its figures are in the corpus, too. An escape
is text of an input that reached an error or a report with what a terminal would obey.
The exit status is 1 after a crash, a hang, an escape, or more than 500 MiB of memory; 130 after
Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.database import DirectoryBasedExampleDatabase

from fuzzing.saying import Escape
from fuzzing.targets import TARGETS, Target
from harness import atomic

MAX_MIB = 500
_HANG_CPU_S = 20.0
_HANG_S = 600.0  # for what waits without using the CPU
_ROUND = 500
_CORPUS = Path(".fuzz-corpus")


class Hang(BaseException):
    """A reader took too long for one input; no reader catches it."""


class TimeOver(BaseException):
    """The target had its seconds."""


@dataclass(kw_only=True)
class Figures:
    """What became of one target."""

    cases: int = 0
    crashes: int = 0
    hangs: int = 0
    escapes: int = 0
    peak_mib: int = 0
    text: str = ""

    @property
    def is_good(self) -> bool:
        faults = self.crashes or self.hangs or self.escapes
        return not (faults or self.peak_mib > MAX_MIB or not self.cases)


def main(words: Sequence[str] | None = None) -> int:
    """Run the campaign and print its figures."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target")
    parser.add_argument("--corpus", type=Path, default=_CORPUS)
    parser.add_argument("--resume", action="store_true", help="go on with a stopped campaign")
    asked = parser.parse_args(words)
    chosen = [one for one in TARGETS if not asked.targets or one.name in asked.targets]
    if not chosen or {*asked.targets} - {one.name for one in chosen}:
        parser.error(f"targets are {', '.join(one.name for one in TARGETS)}")
    done = _Done(asked.corpus)
    found = done.read() if asked.resume else {}
    try:
        for target in chosen:
            if target.name not in found:
                found[target.name] = _in_child(target, asked.seconds, asked.corpus)
                done.write(found)
            _show(target.name, found[target.name])
    except KeyboardInterrupt:
        print(f"stopped after {len(found)} of {len(chosen)} targets; go on with --resume")
        return 130
    done.remove()
    total = _total([found[target.name] for target in chosen])
    print(_row("all", total))
    return 0 if all(found[target.name].is_good for target in chosen) else 1


class _Done:
    """The file with the figures of a campaign that lasts, or that was stopped."""

    def __init__(self, corpus: Path) -> None:
        self._path = corpus / "campaign.json"

    def read(self) -> dict[str, Figures]:
        if not self._path.exists():
            return {}
        known = json.loads(self._path.read_text(encoding="utf-8"))
        return {name: Figures(**figures) for name, figures in known.items()}

    def write(self, found: Mapping[str, Figures]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({name: asdict(figures) for name, figures in found.items()})
        atomic.write(self._path, text.encode())

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)


def _total(found: Sequence[Figures]) -> Figures:
    return Figures(
        cases=sum(one.cases for one in found),
        crashes=sum(one.crashes for one in found),
        hangs=sum(one.hangs for one in found),
        escapes=sum(one.escapes for one in found),
        peak_mib=max(one.peak_mib for one in found),
    )


def _show(name: str, figures: Figures) -> None:
    print(_row(name, figures), flush=True)
    if figures.text:
        print(figures.text, flush=True)


def _row(name: str, found: Figures) -> str:
    return (
        f"{name:12} {found.cases:8} cases {found.crashes:3} crashes {found.hangs:3} hangs "
        f"{found.escapes:3} escapes {found.peak_mib:5} MiB"
    )


def _in_child(target: Target, seconds: float, corpus: Path) -> Figures:
    """Try a target in a process of its own, whose memory is measured."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        with os.fdopen(writing, "w") as out:
            json.dump(asdict(_tried(target, seconds, corpus)), out)
        os._exit(0)
    os.close(writing)
    try:
        with os.fdopen(reading) as answer:
            text = answer.read()
    except BaseException:  # a signal to this process alone
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    _, status, usage = os.wait4(child, 0)
    figures = Figures(**json.loads(text)) if text else Figures(crashes=1, text=f"status {status}")
    figures.peak_mib = usage.ru_maxrss >> 10
    return figures


def _tried(target: Target, seconds: float, corpus: Path) -> Figures:
    logging.disable()
    figures = Figures()
    begin_s = time.process_time()
    options = settings(
        max_examples=_ROUND, deadline=None, print_blob=False,
        phases=[Phase.reuse, Phase.generate],  # shrinking takes minutes
        database=DirectoryBasedExampleDatabase(corpus / target.name),
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip

    def try_one(given_input: object) -> None:
        if time.process_time() - begin_s > seconds and figures.cases:
            raise TimeOver
        figures.cases += 1
        with tempfile.TemporaryDirectory(prefix="node-image-fuzz-") as folder, _not_longer():
            target.read(given_input, Path(folder))

    while not figures.text:
        number = random.SystemRandom().getrandbits(32)
        try:
            seed(number)(options(given(target.inputs)(try_one)))()
        except TimeOver:
            break
        except KeyboardInterrupt:
            os._exit(128 + signal.SIGINT)
        except Hang as exc:
            figures.hangs, figures.text = 1, _text_of(exc, number)
        except Escape as exc:
            figures.escapes, figures.text = 1, _text_of(exc, number)
        except Exception as exc:
            figures.crashes, figures.text = 1, _text_of(exc, number)
    return figures


def _text_of(exc: BaseException, number: int) -> str:
    place = "".join(traceback.format_tb(exc.__traceback__)[-6:])
    notes = "\n".join(getattr(exc, "__notes__", ()))
    return f"seed {number}\n{place}{type(exc).__name__}: {str(exc)[:500]}\n{notes[:2000]}"


@contextmanager
def _not_longer() -> Iterator[None]:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Hang(f"more than {_HANG_CPU_S:.0f} s of CPU time, or {_HANG_S:.0f} s in all")

    signal.signal(signal.SIGALRM, interrupt)
    signal.signal(signal.SIGPROF, interrupt)
    signal.setitimer(signal.ITIMER_PROF, _HANG_CPU_S)
    signal.setitimer(signal.ITIMER_REAL, _HANG_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


if __name__ == "__main__":
    sys.exit(main())
