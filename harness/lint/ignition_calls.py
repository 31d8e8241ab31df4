"""The programs that an Ignition config calls: by its units, and by the scripts that it delivers.

Contents come from data URLs; what lies elsewhere is named as not read. Nothing is run or fetched.
Sources: Ignition configuration specification v3.2.0; RFC 2397 (data URLs); execve(2), Interpreter
scripts.
"""

from __future__ import annotations

import posixpath
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.images.acquire.url import shown_url
from harness.lint.shell_calls import is_probed, read_script
from harness.lint.unit_calls import UnitText, read_unit
from harness.lint.wrappers import is_shell, look_through
from harness.model import ignition
from harness.model.command import candidates, normal
from harness.model.errors import InputError
from harness.model.ignition import Document
from harness.model.ignition.fields import decode, object_of, objects_of, text_of

_PROGRAM = 0o111
_MAX_DEPTH = 4  # of configs that bring configs
_SHEBANG = "#!"
_TOLD_LINES = 5
# A unit, or a drop-in of one, that comes as a plain file.
_UNIT_FILE = re.compile(
    r"/etc/systemd/system/(?P<unit>[^/]+\.(?:service|socket))(?:\.d/[^/]+\.conf)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call: the config, the unit, drop-in or script in it, the line from 1, the program."""

    origin: str
    caller: str
    line: int
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a config calls and what it delivers; `unread` says what else may call something."""

    calls: tuple[Call, ...]
    delivered: frozenset[str]
    unread: tuple[str, ...]

    def delivers(self, command: str) -> bool:
        """Return whether the config itself brings the program."""
        return command in self.delivered or bool({*candidates(command)} & self.delivered)


@dataclass(slots=True, kw_only=True)
class _State:
    """One config while it is read.

    `scripts` and `units` are those to read when all are known, `asked` is what the units ask for
    that call a program, by its path.
    """

    origin: str
    calls: list[Call] = field(default_factory=list)
    delivered: set[str] = field(default_factory=set)
    unread: list[str] = field(default_factory=list)
    scripts: dict[str, str] = field(default_factory=dict)
    units: dict[str, list[UnitText]] = field(default_factory=dict)
    asked: dict[str, list[frozenset[str]]] = field(default_factory=dict)


def read(document: Document, origin: str) -> Reading:
    """Return what a config calls, with the configs that it holds, and what it delivers.

    Raises:
        InputError: a file's contents cannot be decoded.
    """
    state = _State(origin=origin)
    for config in _configs(document, state, _MAX_DEPTH):
        _take_units(config, state)
        _take_files(config, state)
    _read_units(state)
    _read_scripts(state)
    return Reading(
        calls=_first_of_each(state.calls),
        delivered=frozenset(state.delivered),
        unread=tuple(dict.fromkeys(state.unread)),
    )


def _configs(document: Document, state: _State, depth: int) -> Iterator[Document]:
    """Yield the config and those in its data URLs; others are noted as not read."""
    yield document
    config = object_of(object_of(document, "ignition"), "config")
    for source in (*objects_of(config, "merge"), object_of(config, "replace")):
        url = text_of(source, "source")
        if url and not (url.startswith("data:") and depth):
            state.unread.append(f"the config at {shown_url(url)}")
        elif url and (inner := _contents(source, "a config in it", state)) is not None:
            text = inner.decode(errors="replace")
            held = ignition.parse(text, f"{state.origin}: a config in it")
            yield from _configs(held, state, depth - 1)


def _take_units(config: Document, state: _State) -> None:
    for unit in objects_of(object_of(config, "systemd"), "units"):
        if unit.get("mask") is True:
            continue
        name = text_of(unit, "name")
        texts = state.units.setdefault(name, [])
        texts.append(UnitText(name=name, text=text_of(unit, "contents")))
        for dropin in objects_of(unit, "dropins"):
            file = f"{name}.d/{text_of(dropin, 'name')}"
            texts.append(UnitText(name=file, text=text_of(dropin, "contents")))


def _read_units(state: _State) -> None:
    for texts in state.units.values():
        # The unit itself is first, and a drop-in's name counts without its folder.
        texts.sort(key=lambda text: (".d/" in text.name, posixpath.basename(text.name)))
        unit = read_unit(texts)
        for call in unit.calls:
            state.calls.append(_call(state, call.name, call.line, call.command))
            state.asked.setdefault(normal(call.command), []).append(unit.probed)
        state.unread += (f"{name} line {line} (syntax error)" for name, line in unit.unread)


def _take_files(config: Document, state: _State) -> None:
    storage = object_of(config, "storage")
    for node in (*objects_of(storage, "files"), *objects_of(storage, "links")):
        state.delivered.add(normal(text_of(node, "path")))
    for file in objects_of(storage, "files"):
        path, is_program = text_of(file, "path"), _is_program(file)
        parts = [object_of(file, "contents"), *objects_of(file, "append")]
        remote = [url for part in parts if (url := text_of(part, "source")) and _is_remote(url)]
        if is_program:
            state.unread += (f"{path} from {shown_url(url)}" for url in remote)
        if remote:
            continue
        held = [_contents(part, path, state) for part in parts]
        if None not in held:
            _take_file(path, b"".join(part for part in held if part), state, is_program=is_program)
        elif is_program:
            state.unread.append(f"{path}, for its size")


def _take_file(path: str, raw: bytes, state: _State, *, is_program: bool) -> None:
    """Keep units, and what is a script by its first line, its mode or its name."""
    text = raw.decode(errors="replace")
    if match := _UNIT_FILE.fullmatch(path):
        state.units.setdefault(match["unit"], []).append(UnitText(name=path, text=text))
    elif text.startswith(_SHEBANG) or ((is_program or path.endswith(".sh")) and "\0" not in text):
        state.scripts[path] = text


def _read_scripts(state: _State) -> None:
    shells = {path: read_script(text) for path, text in state.scripts.items() if _is_shells(text)}
    every = frozenset[str]().union(*(script.functions for script in shells.values()))
    for path, text in state.scripts.items():
        state.calls += (_call(state, path, 1, command) for command in _interpreters(text))
        if path not in shells:
            continue
        script = shells[path]
        known = every if script.sources else frozenset[str]()
        # What each unit that runs the script asks for, the script need not ask for again.
        asked = frozenset[str].intersection(*state.asked.get(normal(path), [frozenset()]))
        state.calls += (
            _call(state, path, call.line, call.command)
            for call in script.calls
            if call.command not in known and not is_probed(call.command, asked)
        )
        if script.unread:
            lines = ", ".join(f"{line}" for line in script.unread[:_TOLD_LINES])
            state.unread.append(f"{path} line {lines} (syntax error)")


def _interpreters(text: str) -> tuple[str, ...]:
    """Return what the first line has run; the arguments of a shell are for the script."""
    words = text.partition("\n")[0].removeprefix(_SHEBANG).split()
    words = [word for word in words if word not in ("-S", "--split-string")]
    if not text.startswith(_SHEBANG):
        return ()
    return look_through(words[:1] if is_shell(words[:1]) else words).commands


def _is_shells(text: str) -> bool:
    """Return whether a shell runs the script; one without a first line that says so, too."""
    interpreters = _interpreters(text)
    return not interpreters or any(is_shell([word]) for word in interpreters)


def _call(state: _State, caller: str, line: int, command: str) -> Call:
    return Call(origin=state.origin, caller=caller, line=line, command=command)


def _first_of_each(calls: Sequence[Call]) -> tuple[Call, ...]:
    first: dict[tuple[str, str], Call] = {}
    for call in calls:
        first.setdefault((call.caller, call.command), call)
    return tuple(first.values())


def _contents(part: Document, path: str, state: _State) -> bytes | None:
    source = text_of(part, "source")
    if not source:
        return b""
    try:
        return decode(source, text_of(part, "compression"))
    except (ValueError, zlib.error) as exc:
        problem = f"the contents of {path} cannot be read: {exc}"
        remedy = "correct them, or run ignition-validate"
        raise InputError(state.origin, problem, remedy) from exc


def _is_remote(url: str) -> bool:
    return not url.startswith("data:")


def _is_program(file: Document) -> bool:
    mode = file.get("mode")
    return isinstance(mode, int) and bool(mode & _PROGRAM)
