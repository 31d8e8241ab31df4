"""The journal as it arrives: JSON lines in, entries out, and entries as Journal Export Format.

The guest streams `journalctl --output=json` (`harness.guest.access`). The stream starts when the
port turns up, late in the first boot, with all that was logged before.

Sources: journalctl(1), --output=json; systemd.journal-fields(7); systemd v252,
src/systemd/sd-messages.h; https://systemd.io/JOURNAL_EXPORT_FORMATS/
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from harness.diagnosis.line import Job, Line, Stream
from harness.diagnosis.readers import systemd_words
from harness.diagnosis.readers.arrival import Assembler, GuestClock
from harness.diagnosis.readers.console import LONGEST
from harness.model.escapes import displayed

# journalctl leaves out fields of more than 4 KiB, so it never writes an entry of this size.
_LONGEST_ENTRY = 1 << 20
_JOBS = {
    "7d4958e842da4a758f6c1cdc7b36dcc5": Job.STARTING,
    "39f53479d3a045ac8e11786248231fbf": Job.STARTED,
    "de5b426a63be47a7b6ac3eaac82e2f6f": Job.STOPPING,
    "9d1aaa27d60140bd96365438aad20286": Job.STOPPED,
    "be02cf6855d2428ba40df7e9d022f03d": Job.JOB_FAILED,
    "d9b373ed55a64feb8242e02dbe79a49c": Job.FAILED,
    "5eb03494b6584870a536b337290809b3": Job.RESTARTING,
}
_RESULTS = {"": None, "done": None, "skipped": None, "dependency": Job.DEPENDENCY}
"""The jobs of results other than that none was started; None leaves it to the message."""
# systemd 252 logs a unit whose condition was not met with the message id of a started unit.
_SKIPPED = " was skipped because "
_SECOND_US = 1_000_000
_LOWEST_PRIORITY = 7
_LONGEST_NUMBER = 18

_ADDRESS = ("__CURSOR", "__REALTIME_TIMESTAMP", "__MONOTONIC_TIMESTAMP")
_FIELD_NAME = re.compile(r"_?[A-Z][A-Z0-9_]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry of the journal: the line in it, and all its fields as they came."""

    line: Line
    fields: Mapping[str, object]


@dataclass(slots=True, kw_only=True)
class JournalReader:
    """Makes entries of what one machine streams of its journal.

    A boot is known by its id. Without a clock that is shared with the console's reader they are
    counted from the first one seen, and a burst has true times only once something came live.
    """

    clock: GuestClock = field(default_factory=GuestClock)
    stream: Stream = Stream.JOURNAL
    _assembler: Assembler = field(init=False, default_factory=lambda: Assembler(_LONGEST_ENTRY))
    _boots: dict[str, int] = field(init=False, default_factory=dict)
    _cursors: set[int] = field(init=False, default_factory=set)

    @property
    def boot_ids(self) -> Mapping[str, int]:
        """The boots seen so far: their numbers, by the kernel's ids."""
        return MappingProxyType(self._boots)

    def feed(self, text: str, now_s: float) -> list[Entry]:
        """Return the entries that `text` ended; `now_s` is seconds since power-on.

        An entry that was seen already is left out: a stream that is started anew repeats them.
        """
        new = [fields for fields in parse(self._assembler.feed(text)) if not self._is_known(fields)]
        # All of a burst first: its last entry is the youngest, and has the guest's best time.
        times = [self._time(fields, now_s) for fields in new]
        return [
            Entry(line=self._line(fields, *time, now_s), fields=fields)
            for fields, time in zip(new, times, strict=True)
        ]

    def _is_known(self, fields: Mapping[str, object]) -> bool:
        cursor = fields.get("__CURSOR")
        if not isinstance(cursor, str):
            return False
        key = hash(cursor)
        known = key in self._cursors
        self._cursors.add(key)
        return known

    def _time(self, fields: Mapping[str, object], now_s: float) -> tuple[int, float | None]:
        boot = self._boot(text_of(fields.get("_BOOT_ID")))
        # The entry's own time is when the journal got it: it is written down before it is sent.
        arrived_s = _seconds(fields.get("__MONOTONIC_TIMESTAMP"))
        if arrived_s is not None:
            self.clock.hear(boot, arrived_s, now_s)
        is_kernel = fields.get("_TRANSPORT") == "kernel"
        sent_s = _seconds(fields.get("_SOURCE_MONOTONIC_TIMESTAMP")) if is_kernel else None
        return boot, arrived_s if sent_s is None else sent_s

    def _boot(self, boot_id: str) -> int:
        latest = max(self._boots.values(), default=0)
        if not boot_id:
            return latest or self.clock.boot
        # The console shows each boot first, and those whose journal never came.
        return self._boots.setdefault(boot_id, max(latest + 1, self.clock.boot))

    def _line(
        self, fields: Mapping[str, object], boot: int, uptime_s: float | None, now_s: float
    ) -> Line:
        text = message(fields)
        at_s = now_s if uptime_s is None else self.clock.at_s(boot, uptime_s, now_s)
        return Line(
            stream=self.stream, at_s=at_s, text=text, boot=boot, unit=_unit(fields),
            identifier=text_of(fields.get("SYSLOG_IDENTIFIER")), priority=priority(fields),
            job=_job(fields, text), uptime_s=uptime_s,
        )  # fmt: skip


def parse(lines: list[str]) -> Iterator[Mapping[str, object]]:
    """Return the entries in JSON lines; what is cut or is something else is passed over."""
    for line in lines:
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(fields, dict):
            yield fields


def text_of(value: object) -> str:
    """Return a field's value as text.

    It comes as numbers when it has bytes that are no printable UTF-8, as null when it is too long,
    and as a list when the entry has the field several times: the first counts.
    """
    if isinstance(value, str) and value.isascii():
        return value
    return next(iter(_values(value)), b"").decode(errors="replace")


def message(fields: Mapping[str, object]) -> str:
    """Return an entry's message as one clean line of at most `console.LONGEST` characters."""
    lines = (displayed(line).strip() for line in text_of(fields.get("MESSAGE")).splitlines())
    return " | ".join(line for line in lines if line)[:LONGEST]


def priority(fields: Mapping[str, object]) -> int:
    """Return an entry's priority as in syslog, 6 (informational) if it has none."""
    number = _number(fields.get("PRIORITY"))
    return 6 if number is None or number > _LOWEST_PRIORITY else number


def to_export(fields: Mapping[str, object], clean: Callable[[str], str]) -> bytes:
    """Return an entry in Journal Export Format, with `clean` applied to every text in it.

    Fields that the format cannot hold, or whose value did not come, are left out.
    """
    parts = [
        f"{name}={text_of(fields[name])}\n".encode()
        for name in _ADDRESS
        if isinstance(fields.get(name), str) and str(fields[name]).isprintable()
    ]
    for name, value in fields.items():
        if _FIELD_NAME.fullmatch(name):
            parts += [_export(name, data, clean) for data in _values(value)]
    return b"".join(parts) + b"\n"


def _export(name: str, data: bytes, clean: Callable[[str], str]) -> bytes:
    text = clean(data.decode(errors="surrogateescape"))
    cleaned = text.encode(errors="surrogateescape")
    if text.isprintable():
        return b"%s=%s\n" % (name.encode(), cleaned)
    return b"%s\n%s%s\n" % (name.encode(), struct.pack("<Q", len(cleaned)), cleaned)


def _values(value: object) -> list[bytes]:
    """Return all values of a field, as bytes."""
    if isinstance(value, str) or _is_bytes(value):
        return [_bytes(value)]
    several = value if isinstance(value, list) else []
    return [_bytes(item) for item in several if isinstance(item, str) or _is_bytes(item)]


def _is_bytes(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(type(item) is int for item in value)


def _bytes(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode(errors="surrogatepass")
    return bytes(item & 0xFF for item in value) if isinstance(value, list) else b""


def _unit(fields: Mapping[str, object]) -> str:
    names = (text_of(fields.get(name)) for name in ("UNIT", "USER_UNIT", "_SYSTEMD_UNIT"))
    return next((name for name in names if name), "")


def _job(fields: Mapping[str, object], text: str) -> Job:
    message_id = text_of(fields.get("MESSAGE_ID"))
    if not message_id and systemd_words.is_systemd(text_of(fields.get("SYSLOG_IDENTIFIER"))):
        said = systemd_words.said_of_unit(text)
        return said.job if said else Job.NONE
    job = _JOBS.get(message_id, Job.NONE)
    if job is Job.NONE or (job is Job.STARTED and _SKIPPED in text):
        return Job.NONE
    return _RESULTS.get(text_of(fields.get("JOB_RESULT")), Job.JOB_FAILED) or job


def _seconds(value: object) -> float | None:
    """Return seconds of a field in microseconds, None if it is not a number."""
    number = _number(value)
    return None if number is None else number / _SECOND_US


def _number(value: object) -> int | None:
    text = text_of(value)
    return int(text) if text.isdecimal() and len(text) <= _LONGEST_NUMBER else None
