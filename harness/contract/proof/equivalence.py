"""Whether two squashed images are equal up to reviewed rules. Pure.

A difference is explained if rules cover all that differs at its path; what they do not cover is
left. Nothing is left out: what an archive has and no file system can is a difference too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from harness.contract.comparing.file_diff import FileChange
from harness.contract.document import Document
from harness.contract.package_diff import PackageChange
from harness.contract.proof.equivalence_rules import Aspect, Rule, aspects_of, fields_of
from harness.contract.sheet import Section

_MOST_SHOWN = 500
_MOST_CHARACTERS = 64
_SIDES = {"added": "only in the layered image", "removed": "only in the legacy image"}
Texts = Mapping[str, tuple[str, str]]
"""The contents, of both images, of the paths that a rule with `lines` covers."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What no rule explains at a path, with the values in the legacy and in the layered image."""

    path: str
    change: str
    fields: dict[str, tuple[str, str]] = {}


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """A rule, and the paths of the differences that it explains, alone or with others."""

    rule: str
    reason: str
    source: str
    paths: tuple[str, ...]


class Equivalence(Document, frozen=True, kw_only=True, tag="equivalent"):
    """Two images; they are equivalent if nothing is unexplained.

    `odd` has problems of only one of the archives, `odd_in_both` those that both have.
    """

    legacy: str
    layered: str
    paths: int
    differences: tuple[Difference, ...] = ()
    packages: tuple[PackageChange, ...] = ()
    odd: tuple[str, ...] = ()
    odd_in_both: tuple[str, ...] = ()
    explained: tuple[Explained, ...] = ()
    unused_rules: tuple[str, ...] = ()

    @property
    def is_equivalent(self) -> bool:
        """Whether the rules explain every difference."""
        return not (self.differences or self.packages or self.odd)


def explain(
    changes: Iterable[FileChange], rules: Iterable[Rule], texts: Texts
) -> tuple[tuple[Difference, ...], tuple[Explained, ...], tuple[str, ...]]:
    """Return the differences that are left, those that are explained, and the unused rules."""
    rules = tuple(rules)
    used: dict[int, list[str]] = {number: [] for number in range(len(rules))}
    left = []
    for change in changes:
        open_aspects = set(aspects_of(change))
        for number, rule in enumerate(rules):
            closed = open_aspects & _allowed(rule, change, texts)
            if closed:
                used[number].append(written(change.path))
                open_aspects -= closed
        if open_aspects:
            left.append(_difference(change, open_aspects))
    explained = tuple(
        Explained(rule=rules[n].path, reason=rules[n].reason, source=rules[n].source,
                  paths=tuple(paths))
        for n, paths in used.items() if paths
    )  # fmt: skip
    return tuple(left), explained, tuple(rules[n].path for n, paths in used.items() if not paths)


def text_paths(changes: Iterable[FileChange], rules: Iterable[Rule]) -> frozenset[str]:
    """Return the changed paths whose contents a rule has to see."""
    of_lines = [rule for rule in rules if rule.lines]
    return frozenset(
        change.path
        for change in changes
        if Aspect.CONTENT in aspects_of(change) and any(r.covers(change.path) for r in of_lines)
    )


def written(text: str) -> str:
    """Return a name of an archive as JSON can have it: bytes that are not UTF-8 are escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


def _allowed(rule: Rule, change: FileChange, texts: Texts) -> set[Aspect]:
    if not rule.covers(change.path):
        return set()
    if rule.lines is None:
        return set(rule.may)
    old, new = texts.get(change.path, ("", None))
    if new is None or rule.without_lines(old) != rule.without_lines(new):
        return set()
    return {Aspect.CONTENT}


def _difference(change: FileChange, aspects: set[Aspect]) -> Difference:
    return Difference(
        path=written(change.path),
        change=change.change,
        fields={
            name: (written(old), written(new))
            for name, (old, new) in fields_of(change, sorted(aspects)).items()
        },
    )


def sections(found: Equivalence) -> Iterator[Section]:
    """Yield what a reader gets, in parts."""
    count = len(found.differences) + len(found.packages) + len(found.odd)
    verdict = "equivalent" if found.is_equivalent else f"NOT EQUIVALENT: {count} differences"
    yield Section(
        title=f"{verdict} ({found.paths} paths)",
        notes=(f"legacy: {found.legacy}", f"layered: {found.layered}"),
    )
    yield _listed("unexplained differences", ("path", "legacy", "layered"), found.differences,
                  lambda each: _rows(each))  # fmt: skip
    yield _listed("packages", ("package", "change", "legacy", "layered"), found.packages,
                  lambda each: [_package_row(each)])  # fmt: skip
    yield Section(title="odd in one image", notes=found.odd)
    yield Section(title="odd in both images", notes=found.odd_in_both)
    yield Section(
        title="explained by rules", head=("rule", "paths", "reason"),
        rows=tuple((one.rule, str(len(one.paths)), one.reason) for one in found.explained),
    )  # fmt: skip
    yield Section(
        title="rules that match nothing", head=("rule",),
        rows=tuple((rule,) for rule in found.unused_rules),
    )  # fmt: skip


def _listed(
    title: str, head: tuple[str, ...], found: tuple[object, ...],
    rows_of: Callable[..., Iterable[tuple[str, ...]]],
) -> Section:  # fmt: skip
    more = len(found) - _MOST_SHOWN
    rows = tuple(row for each in found[:_MOST_SHOWN] for row in rows_of(each))
    notes = (f"and {more} more; all are in the JSON",) if more > 0 else ()
    return Section(title=title, head=head, rows=rows, notes=notes)


def _rows(difference: Difference) -> Iterator[tuple[str, ...]]:
    if not difference.fields:
        there = _SIDES[difference.change]
        yield difference.path, *(("-", there) if difference.change == "added" else (there, "-"))
    for name, (old, new) in difference.fields.items():
        yield difference.path, _shown(name, old), _shown(name, new)


def _package_row(change: PackageChange) -> tuple[str, ...]:
    old, new = (", ".join(evrs) or "-" for evrs in (change.old, change.new))
    return f"{change.name}.{change.arch}", str(change.change), old, new


def _shown(name: str, value: str) -> str:
    text = f"{name} {value or 'none'}"
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"
