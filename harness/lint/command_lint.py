"""Which programs Ignition configs call that a bootimage lacks, and what the node layer would bring.

Whether a caller runs before live-apply cannot be told from a config: every call counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.images.container.contents import Contents
from harness.lint.ignition_calls import Call, Reading, read
from harness.lint.inventory import Inventory
from harness.model import ignition
from harness.model.command import candidates
from harness.model.errors import InputError

Readings = Mapping[str, Reading]
"""What each config calls, by the config's path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A call of a program that the bootimage lacks.

    `path` and `package` are what the node image has, None when it lacks it too or was not given.
    """

    call: Call
    path: str | None = None
    package: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lint:
    """What was found in some configs; `unread` are the parts that were not looked at."""

    missing: tuple[Missing, ...]
    unread: tuple[str, ...]
    version: str
    knows_node_image: bool

    @property
    def exit_status(self) -> int:
        """The status for the command line: 0 when nothing is missing, else 1."""
        return 1 if self.missing else 0

    def render(self) -> str:
        """Return the report, a line for each finding and one that sums up."""
        return "\n".join((*self._lines(), *map("not read: {}".format, self.unread), self._sum()))

    def _lines(self) -> Iterator[str]:
        for missing in self.missing:
            call = missing.call
            where = f"{call.origin}: {call.caller} line {call.line}"
            yield f"{where}: calls {call.command}, {self._comes_from(missing)}"

    def _comes_from(self, missing: Missing) -> str:
        if missing.path is None:
            return "not in the node image either" if self.knows_node_image else "not there"
        package = missing.package or "the node image, in no package"
        return f"brought later by {package} ({missing.path})"

    def _sum(self) -> str:
        bootimage = f"the bootimage{self.version and f' {self.version}'}"
        if not self.missing:
            return f"all programs that are called are in {bootimage} or in the configs"
        callers = {(missing.call.origin, missing.call.caller) for missing in self.missing}
        return f"{len(self.missing)} calls by {len(callers)} callers are not in {bootimage}"


def read_files(paths: Sequence[Path]) -> Readings:
    """Return what the configs at `paths` call, each by its path, for `judge_readings`.

    Raises:
        InputError: a file cannot be read, is no Ignition config, or cannot be decoded.
    """
    return {str(path): _read(path) for path in paths}


def judge_readings(readings: Readings, inventory: Inventory, contents: Contents | None) -> Lint:
    """Return the calls in the configs that neither bootimage nor config can answer.

    Without the node image's `contents` the packages stay unknown. What lies outside of an image's
    folders of programs cannot be judged and does not count; what stayed unread is told.
    """
    return Lint(
        missing=_judged(readings.values(), inventory, contents),
        unread=tuple(
            f"{name}: {part}" for name, found in readings.items() for part in found.unread
        ),
        version=inventory.version,
        knows_node_image=contents is not None,
    )


def _judged(
    readings: Iterable[Reading], inventory: Inventory, contents: Contents | None
) -> tuple[Missing, ...]:
    return tuple(
        _missing(call, contents)
        for reading in readings
        for call in reading.calls
        if candidates(call.command)
        and not reading.delivers(call.command)
        and not inventory.has(call.command)
    )


def _read(path: Path) -> Reading:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is no text"
        raise InputError(str(path), f"cannot be read: {reason}", "name an Ignition config") from exc
    return read(ignition.parse(text, str(path)), str(path))


def _missing(call: Call, contents: Contents | None) -> Missing:
    found = contents.which(call.command) if contents else None
    path, package = found or (None, None)
    return Missing(call=call, path=path, package=package)
