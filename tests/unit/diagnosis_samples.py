"""Lines for the tests of diagnosis: read from transcripts, or made from what a test cares about."""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from harness.diagnosis import rules
from harness.diagnosis.allow import AllowList
from harness.diagnosis.engine import Engine
from harness.diagnosis.line import Job, Line, Stream
from harness.diagnosis.mark import Index
from harness.diagnosis.phases import Tracker
from harness.diagnosis.readers import systemd_words
from harness.diagnosis.readers.console import ConsoleReader
from harness.diagnosis.readers.events import EventReader
from harness.diagnosis.readers.ignition_port import IgnitionReader
from harness.diagnosis.readers.journal import JournalReader
from harness.diagnosis.rules import Rule, Rulebook
from harness.folders import fixture

TODAY = datetime.date(2026, 11, 23)
RULES = rules.shipped().rules
_PHASES = Index(Tracker.load().marks)
_JOURNAL = re.compile(r"(?P<by>[^\[: ]+)(?:\[(?P<unit>[^\]]*)\])?: (?P<text>.*)", re.DOTALL)
_KERNEL_S = 10.4  # when the kernel of the good run began, by its journal
_SAMPLES = ("kernel", "initramfs", "live-apply", "services")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the transcripts have for one rule: lines that it takes, and near misses."""

    rule: str
    phase: str
    hits: tuple[Line, ...]
    misses: tuple[Line, ...]


class Judge(Engine):
    """An engine that asks an index of its own for the marks of a line."""

    def hear(self, line: Line, phase: str) -> None:
        self.index = getattr(self, "index", None) or Index(self.marks)
        self.feed(line, phase, self.index.hits(line))


def engine(
    *more: Rule,
    only: tuple[Rule, ...] = RULES,
    factor: float = 1.0,
    allow: AllowList | None = None,
    today: datetime.date = TODAY,
) -> Judge:
    book = Rulebook(rules=(*more, *only))
    return Judge(book, allow or AllowList(), factor, "x86_64", today)


def line(stream: Stream, text: str, at_s: float = 10.0) -> Line:
    """Return a line as its stream's reader would give it."""
    if stream is Stream.CONSOLE:
        return ConsoleReader().feed(text + "\n", at_s)[0]
    if stream in (Stream.HARNESS, Stream.EVENTS):
        return Line(stream=stream, at_s=at_s, text=text)
    found = _JOURNAL.fullmatch(text)
    assert found is not None, text
    said = systemd_words.said(found["text"], found["by"])
    return Line(
        stream=stream, at_s=at_s, text=found["text"], identifier=found["by"],
        unit=found["unit"] or (said.unit if said else ""), job=said.job if said else Job.NONE,
    )  # fmt: skip


def samples() -> tuple[Sample, ...]:
    return tuple(sample for name in _SAMPLES for sample in _samples(name))


def good_console() -> list[Line]:
    """Return the console of a good run; a line without a stamp came with the last one before."""
    text = fixture("transcripts/diagnosis/rules-good-console.txt").read_text(encoding="utf-8")
    lines = ConsoleReader().feed(text.replace("\r\n", "\n"), 300.0)
    now_s, timed = 0.0, []
    for one in lines:
        now_s = now_s if one.uptime_s is None else max(now_s, _KERNEL_S + one.uptime_s)
        timed.append(replace(one, at_s=now_s))
    return timed


def healthy() -> list[Line]:
    """Return a boot with every problem that ends well."""
    text = fixture("transcripts/diagnosis/rules-healthy.toml").read_text(encoding="utf-8")
    lines = [
        line(
            Stream(entry["stream"]), entry["text"].replace("{n}", f"{number + 1}"),
            entry["at_s"] + number * entry.get("every_s", 0.0),
        )
        for entry in tomllib.loads(text)["lines"]
        for number in range(entry.get("times", 1))
    ]  # fmt: skip
    return sorted(lines, key=lambda one: one.at_s)


def watch(judge: Judge, lines: Iterable[Line]) -> list[str]:
    """Feed lines with the phase of their time, as the watch over a machine does; return those."""
    tracker, phases = Tracker.load(), list[str]()
    for one in lines:
        tracker.feed(one, _PHASES.hits(one))
        phase = tracker.phase_at(one.at_s)
        judge.hear(one, phase)
        judge.tick(one.at_s, one.at_s, phase)
        phases.append(phase)
    return phases


def good_journal() -> Iterator[Line]:
    path = fixture("transcripts/diagnosis/rules-good-journal.txt")
    for entry in path.read_text(encoding="utf-8").splitlines():
        at_s, priority, rest = entry.split(" ", 2)
        if _JOURNAL.fullmatch(rest):  # Ignition sends some entries without an identifier
            made = line(Stream.JOURNAL, rest, float(at_s))
            yield replace(made, priority=int(priority))


def recorded(run: str, *streams: str) -> Iterator[Line]:
    """Return the lines of a recorded run, one stream after the other, as their readers do."""
    readers: dict[str, Callable[[str, float], list[Line]]] = {
        "console": ConsoleReader().feed,
        "ignition": IgnitionReader().feed,
        "events": EventReader().feed,
        "journal": lambda text, now_s: [one.line for one in JournalReader().feed(text, now_s)],
    }
    for stream in streams:
        (path,) = fixture("transcripts/diagnosis").glob(f"phases-{run}-{stream}.*")
        yield from readers[stream](path.read_text(encoding="utf-8"), 300.0)


def _samples(name: str) -> Iterator[Sample]:
    text = fixture(f"transcripts/diagnosis/rules-{name}.toml").read_text(encoding="utf-8")
    for rule, entry in tomllib.loads(text).items():
        yield Sample(
            rule=rule, phase=entry.get("phase", "services"),
            hits=_lines(entry["hits"]), misses=_lines(entry["misses"]),
        )  # fmt: skip


def _lines(entry: dict[str, list[str]]) -> tuple[Line, ...]:
    return tuple(line(Stream(stream), text) for stream, texts in entry.items() for text in texts)
