"""Finds what Ignition configs call but a bootimage lacks, and what of it the node layer has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import regular_file
from harness.images.container.contents import Contents
from harness.lint.ignition_calls import Reading, read
from harness.lint.inventory import Inventory
from harness.lint.judging import Missing, missing_calls
from harness.lint.wants import Kind
from harness.model import ignition

Readings = Mapping[str, Reading]
"""What each config calls, by the config's path."""
_VERBS = {Kind.PROGRAM: "calls", Kind.UNIT: "requires", Kind.FILE: "uses"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lint:
    """What was found in some configs; `unread` are the parts that were not read.

    With `counts_all` a call after the node layer counts as one before it does.
    """

    missing: tuple[Missing, ...]
    unread: tuple[str, ...]
    version: str
    knows_node_image: bool
    counts_all: bool = False

    @property
    def exit_status(self) -> int:
        """The status for the command line: 0 if nothing that counts is missing, else 1."""
        return 1 if self._counted else 0

    @property
    def _counted(self) -> tuple[Missing, ...]:
        return tuple(one for one in self.missing if self.counts_all or one.call.is_before)

    def render(self) -> str:
        """Return the report: a line for each finding, those before the node layer first."""
        return "\n".join((*self._lines(), *map("not read: {}".format, self.unread), self._sum()))

    def _lines(self) -> Iterator[str]:
        for missing in sorted(self.missing, key=lambda missing: not missing.call.is_before):
            call = missing.call
            when = "before" if call.is_before else "after"
            where = f"{call.origin}: {call.caller} line {call.line}, {when} the node layer"
            yield f"{where}: {self._need(missing)}"

    def _need(self, missing: Missing) -> str:
        call = missing.call
        if call.kind is Kind.OS_RELEASE:
            field = call.command.partition("=")[0]
            answer = "lacks it" if missing.answer is None else f"says {field}={missing.answer}"
            return f"asks os-release for {call.command}, but the bootimage {answer}"
        return f"{_VERBS[call.kind]} {call.command}, {self._comes_from(missing)}"

    def _comes_from(self, missing: Missing) -> str:
        if missing.path is None:
            return "not in the node image either" if self.knows_node_image else "not there"
        package = missing.package or "the node image, in no package"
        return f"brought later by {package} ({missing.path})"

    def _sum(self) -> str:
        bootimage = f"the bootimage{self.version and f' {self.version}'}"
        rest = len(self.missing) - len(self._counted)
        later = f"; {rest} after the node layer do not count without --all" if rest else ""
        if not self._counted:
            what = "called before the node layer" if rest else "called"
            return f"all that is {what} is in {bootimage} or in the configs{later}"
        callers = {(missing.call.origin, missing.call.caller) for missing in self._counted}
        calls, by = _count(len(self._counted), "call"), _count(len(callers), "caller")
        verb = "is" if len(self._counted) == 1 else "are"
        return f"{calls} by {by} {verb} not in {bootimage}{later}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def read_files(paths: Sequence[Path]) -> Readings:
    """Return what the configs at `paths` call, each by its path, for `judge_readings`.

    Raises:
        InputError: a file cannot be read, is not an Ignition config, or cannot be decoded.
    """
    return {str(path): _read(path) for path in paths}


def judge_readings(readings: Readings, inventory: Inventory, contents: Contents | None) -> Lint:
    """Return the calls in the configs that neither bootimage nor config can answer.

    Without the node image's `contents` the packages stay unknown. What lies outside of an image's
    folders of programs cannot be judged and does not count; what stayed unread is named.
    """
    return Lint(
        missing=tuple(
            missing
            for reading in readings.values()
            for missing in missing_calls(reading, inventory, contents)
        ),
        unread=tuple(
            f"{name}: {part}" for name, found in readings.items() for part in found.unread
        ),
        version=inventory.version,
        knows_node_image=contents is not None,
    )


def _read(path: Path) -> Reading:
    text = regular_file.text_or_pipe(path, "Name a readable Ignition config.")
    return read(ignition.parse(text, str(path)), str(path))
