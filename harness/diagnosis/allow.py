"""Allow-lists: what is known to be wrong, signed for by a tracker's link, and only for a time.

    [[allow]]
    pattern = 'avc: +denied .* comm="chronyd"'     searched for in the line, or a test's message
    tracker = "https://issues.example/NODE-1"      where it is dealt with
    expires = 2026-12-31                           the last day on which it is allowed
    rule = "avc-denied"                            optional, and so is all that follows
    stream = "journal"
    arch = "aarch64"
    reason = "the policy is fixed in the next release"

An entry with `test`, a glob on test ids, is about failed tests; any other is about lines.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, ClassVar, Literal, get_args

import msgspec

from harness import tables
from harness.diagnosis.line import Line, Stream
from harness.model.errors import InputError

_KEY = "allow"
# As `uname -m` prints them. The room `machine`, which must not be imported here, has the same list.
_Arch = Literal["x86_64", "aarch64", "ppc64le", "s390x"]
_Text = Annotated[str, msgspec.Meta(pattern=r"\S")]
_Link = Annotated[str, msgspec.Meta(pattern=r"^https://[^\s/]+/\S+$")]


class AllowEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that is allowed until `expires`, that day included; None does not narrow it."""

    EXPECTED: ClassVar[Mapping[str, str]] = {
        "tracker": "a link to the one issue, such as https://issues.example/NODE-1",
        "expires": "a date without quotes, such as 2026-12-31",
        "stream": f"one of {', '.join(Stream)}",
        "arch": f"one of {', '.join(get_args(_Arch))}, as `uname -m` says it",
    }

    pattern: re.Pattern[str]
    tracker: _Link
    expires: datetime.date
    rule: _Text | None = None
    stream: Stream | None = None
    arch: _Arch | None = None
    test: _Text | None = None
    reason: str = ""

    def __str__(self) -> str:
        about = f" ({self.reason})" if self.reason else ""
        return f"{self.pattern.pattern!r} until {self.expires}, {self.tracker}{about}"

    def is_valid(self, arch: str, today: datetime.date) -> bool:
        """Return whether it counts on `arch` (as `uname -m` says it) on the day `today`."""
        return today <= self.expires and self.arch in (None, arch)


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowList:
    """The entries of a file, in its order; the first that fits counts. Without any, nothing is."""

    entries: tuple[AllowEntry, ...] = ()

    def entry_for(
        self, rule_name: str, line: Line, arch: str, today: datetime.date
    ) -> AllowEntry | None:
        """Return the entry that allows `line`, which the rule `rule_name` took."""
        text = line.quoted().text
        for entry in self.entries:
            if entry.test is not None or not entry.is_valid(arch, today):
                continue
            if entry.rule not in (None, rule_name) or entry.stream not in (None, line.stream):
                continue
            if entry.pattern.search(text):
                return entry
        return None

    def entry_for_test(
        self, test_id: str, message: str, arch: str, today: datetime.date
    ) -> AllowEntry | None:
        """Return the entry that allows the test `test_id` to fail with `message`."""
        for entry in self.entries:
            if entry.test is None or not entry.is_valid(arch, today):
                continue
            if fnmatchcase(test_id, _literal_brackets(entry.test)) and entry.pattern.search(
                message
            ):
                return entry
        return None

    def expired(self, today: datetime.date) -> tuple[AllowEntry, ...]:
        """Return the entries that no longer allow anything."""
        return tuple(entry for entry in self.entries if entry.expires < today)


NOTHING_ALLOWED = AllowList()


def load(path: Path, known_rules: Collection[str] = ()) -> AllowList:
    """Return the allow-list in a file; `known_rules`, where given, are the names it may use.

    Raises:
        InputError: the file cannot be read, or an entry is malformed; it is named by its number.
    """
    subject = f"allow-list {path}"
    remedy = "Name a TOML file with --allow, or remove the option."
    listed = tables.read(path, _KEY, subject=subject, remedy=remedy).entries(_KEY, AllowEntry)
    for where, entry in listed:
        if entry.test is not None and (entry.rule or entry.stream):
            raise InputError(where, "has test together with rule or stream", "Write two entries.")
        if entry.rule is not None and known_rules and entry.rule not in known_rules:
            raise InputError(
                where, f"unknown rule {entry.rule}",
                "Use a name from fixtures/diagnosis/rules.toml or from the files of --rules.",
            )  # fmt: skip
    return AllowList(entries=tuple(entry for _, entry in listed))


def _literal_brackets(glob: str) -> str:
    """Return `glob` with brackets that stand for themselves: they are part of pytest's ids."""
    return glob.replace("[", "[[]")
