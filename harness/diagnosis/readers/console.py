"""The serial console, read as it arrives: text in, clean lines out, boots counted.

A console is three things mixed: the kernel's messages with their time stamps, into which CoreOS
also forwards the initramfs' journal; what systemd shows of its jobs; and prompts and menus.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from harness.diagnosis.line import Job, Line, Stream
from harness.diagnosis.readers import systemd_words
from harness.diagnosis.readers.arrival import Assembler, GuestClock
from harness.diagnosis.readers.systemd_words import ProgressLines
from harness.model.escapes import displayed

LONGEST = 4000
"""Characters of a line that are kept; what a guest writes beyond them is dropped."""
_PROMPT_AFTER_S = 0.5
_ASSEMBLED = 4 * LONGEST  # escape sequences make a raw line longer than what is kept of it

# The second pair of brackets is the caller, with CONFIG_PRINTK_CALLER.
_STAMP = re.compile(r"\[ *(\d{1,9}\.\d{6})\](?:\[ *[CT]\d+\])? ?")
_IDENTIFIER = re.compile(r"([\w@.()/:+-]{1,64})\[\d+\]: ?")
_BANNER = "Linux version "
# Not at 0 everywhere: on other architectures than x86-64 some lines come before it.
_BANNER_WITHIN_S = 1.0


@dataclass(slots=True, kw_only=True)
class ConsoleReader:
    """Makes lines of what arrives on one machine's console.

    Blank lines are left out. systemd redraws twice a second what it waits for: the first of these
    lines is given for each job, one each 30 s that the job lasts on, and the one that reaches the
    job's limit.
    """

    clock: GuestClock = field(default_factory=GuestClock)
    boot: int = field(init=False, default=1)
    """The boot that the machine is in, counted from 1 by the kernel's banners."""
    _assembler: Assembler = field(init=False, default_factory=lambda: Assembler(_ASSEMBLED))
    _progress: ProgressLines = field(init=False, default_factory=ProgressLines)
    _has_banner: bool = field(init=False, default=False)
    _uptime_s: float = field(init=False, default=0.0)
    _changed_s: float = field(init=False, default=0.0)
    _prompt: str = field(init=False, default="")

    def feed(self, text: str, now_s: float) -> list[Line]:
        """Return the lines that `text` ended; `now_s` is seconds since power-on."""
        if not text:
            return []
        self._changed_s = now_s
        # A bare return ends a line as well: what shows progress that way would be one endless line.
        ended = self._assembler.feed(text.replace("\r\n", "\n").replace("\r", "\n"))
        return [line for raw in ended for line in self._lines(raw, now_s)]

    def pending(self, now_s: float) -> Line | None:
        """Return, once, a last line that stands unended for half a second, as a prompt does."""
        if self._prompt or now_s - self._changed_s < _PROMPT_AFTER_S:
            return None
        parts = _parts(self._assembler.rest)
        if not parts:
            return None
        self._prompt = parts[-1]
        return self._line(*_unstamped(parts[-1]), now_s)

    def _lines(self, raw: str, now_s: float) -> Iterator[Line]:
        prompt, self._prompt = self._prompt, ""
        for part in _parts(raw):
            text, uptime_s = _unstamped(part)
            self._count_boot(text, uptime_s, now_s)
            if part != prompt and (line := self._line(text, uptime_s, now_s)) is not None:
                yield line

    def _line(self, text: str, uptime_s: float | None, now_s: float) -> Line | None:
        if uptime_s is not None:
            self.clock.hear(self.boot, uptime_s, now_s)
        who = _IDENTIFIER.match(text)
        identifier = who[1] if who else ""
        text = text[who.end() :] if who else text
        unit, job = "", Job.NONE
        if text.startswith("[") and (progress := systemd_words.progress(text)) is not None:
            if not self._progress.is_news(progress):
                return None
            text, unit = progress.text, progress.unit
        elif said := systemd_words.said(text, identifier):
            unit, job = said.unit, said.job
        return Line(
            stream=Stream.CONSOLE, at_s=now_s, text=text.strip()[:LONGEST], boot=self.boot,
            unit=unit, identifier=identifier, job=job, uptime_s=uptime_s,
        )  # fmt: skip

    def _count_boot(self, text: str, uptime_s: float | None, now_s: float) -> None:
        if not text.startswith(_BANNER) or (uptime_s or 0.0) > _BANNER_WITHIN_S:
            self._uptime_s = self._uptime_s if uptime_s is None else uptime_s
            return
        if self._has_banner:
            self.clock.since_s = self.clock.at_s(self.boot, self._uptime_s, now_s)
            self.boot += 1
            self.clock.boot = self.boot
            self._progress = ProgressLines()
        self._has_banner = True


def _parts(raw: str) -> list[str]:
    """Return the lines in a raw line: the kernel breaks into whatever is being written."""
    text = displayed(raw).rstrip()
    starts = [found.start() for found in _STAMP.finditer(text)]
    if not starts or starts == [0]:
        return [text] if text else []
    bounds = [0, *(start for start in starts if start), len(text)]
    parts = (text[a:b].rstrip() for a, b in pairwise(bounds))
    return [part for part in parts if part]


def _unstamped(part: str) -> tuple[str, float | None]:
    """Return a line without the kernel's time stamp, and that as seconds."""
    stamp = _STAMP.match(part)
    return (part[stamp.end() :], float(stamp[1])) if stamp else (part, None)
