"""What an Ignition config calls: by its units, and by the scripts that it delivers.

Sources: execve(2), Interpreter scripts; bash(1), `source`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from harness.lint import os_questions
from harness.lint.delivery import Delivery, delivery_of
from harness.lint.order import Part, before_node_layer
from harness.lint.python_calls import as_shell
from harness.lint.shell_calls import Library, ShellScript, is_probed, read_script
from harness.lint.unit_calls import UnitCalls, read_unit
from harness.lint.wants import Kind, Want, Wants, unit_name
from harness.lint.wrappers import is_shell, look_through
from harness.model.command import candidates, normal
from harness.model.ignition import Document

_SHEBANG = "#!"
_QUOTED_LINES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call: the config, the unit, drop-in or script in it, the line from 1, what is called.

    `command` is a program, or what `Want.name` has for the other kinds.
    """

    origin: str
    caller: str
    line: int
    command: str
    kind: Kind = Kind.PROGRAM
    is_before: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a config calls, and what it delivers or makes; `unread` lists what was not read.

    `folders` are paths whose folders are there.
    """

    calls: tuple[Call, ...]
    delivered: frozenset[str]
    folders: frozenset[str]
    units: frozenset[str]
    unread: tuple[str, ...]

    def delivers(self, command: str) -> bool:
        """Return whether the config itself contains the program."""
        return command in self.delivered or bool({*candidates(command)} & self.delivered)

    def has_folder(self, path: str) -> bool:
        """Return whether the config contains a folder or something in it."""
        return any(f"{one}/".startswith(path) for one in self.folders)


@dataclass(slots=True, kw_only=True)
class _Script:
    """A script: the programs of its first line, and what it calls as a shell would write it."""

    interpreters: tuple[str, ...]
    shell: ShellScript | None = None
    wants: Wants = field(default_factory=Wants)

    @property
    def is_pythons(self) -> bool:
        """Whether Python runs it."""
        return any(posixpath.basename(one).startswith("python") for one in self.interpreters)


def read(document: Document, origin: str) -> Reading:
    """Return what a config and the configs inside it call, and what it delivers.

    Raises:
        InputError: a file's contents cannot be decoded.
    """
    delivery = delivery_of(document, origin)
    units = {name: read_unit(texts) for name, texts in delivery.units.items()}
    scripts = _scripts(delivery.scripts)
    early = _early(delivery, units, scripts)
    calls = (*_unit_calls(delivery, units, early), *_script_calls(delivery, units, scripts, early))
    parts: list[UnitCalls | Wants] = [*units.values(), *(one.wants for one in scripts.values())]
    made = frozenset[str]().union(*(part.made for part in parts))
    folders = frozenset[str]().union(*(part.folders for part in parts))
    return Reading(
        calls=_first_of_each(calls),
        delivered=made | delivery.paths,
        folders=folders | delivery.paths,
        units=_units(delivery, units, made),
        unread=tuple(dict.fromkeys((*delivery.unread, *_unread(units, scripts)))),
    )


def _scripts(texts: Mapping[str, str]) -> dict[str, _Script]:
    """Return the scripts; those that source each other know each other's functions."""
    scripts = {path: _Script(interpreters=_interpreters(text)) for path, text in texts.items()}
    for path, script in scripts.items():
        if script.is_pythons:
            script.shell = _read_python(texts[path])
            script.wants.add_script(script.shell)
            script.wants.probed |= script.shell.probed
    shells = {path: read_script(texts[path]) for path in texts if _is_shells(scripts[path])}
    for path in shells:
        around = [shells[other] for other in _sharing_a_shell(path, shells) if other != path]
        library = Library(
            functions=frozenset[str]().union(*(other.library.functions for other in around)),
            runners={name: n for other in around for name, n in other.library.runners.items()},
            probers={name: n for other in around for name, n in other.library.probers.items()},
        )
        script = scripts[path]
        script.shell = read_script(texts[path], library)
        script.wants.add_script(script.shell)
        script.wants.probed |= script.shell.probed
        script.wants.wants += os_questions.questions(texts[path])
    return scripts


def _read_python(text: str) -> ShellScript:
    try:
        return read_script(as_shell(text))
    except SyntaxError as exc:
        return replace(read_script(""), unread=(exc.lineno or 1,))


def _sharing_a_shell(path: str, shells: Mapping[str, ShellScript]) -> set[str]:
    """Return the scripts that `path` sources or that source it, directly or through others."""
    shared, left = set[str](), [path]
    while left:
        one = left.pop()
        if one not in shared:
            shared.add(one)
            left += (
                other for other in shells if _sources(shells[one], other)
                or _sources(shells[other], one)
            )  # fmt: skip
    return shared


def _sources(script: ShellScript, path: str) -> bool:
    name = posixpath.basename(path)
    return any(
        normal(source) == normal(path) if source.startswith("/")
        else posixpath.basename(source) in ("", name)
        for source in script.sources
    )  # fmt: skip


def _interpreters(text: str) -> tuple[str, ...]:
    """Return what the first line has run; the arguments of a shell are for the script."""
    words = text.partition("\n")[0].removeprefix(_SHEBANG).split()
    words = [word for word in words if word not in ("-S", "--split-string")]
    if not text.startswith(_SHEBANG):
        return ()
    return look_through(words[:1] if is_shell(words[:1]) else words).commands


def _is_shells(script: _Script) -> bool:
    """Return whether a shell runs the script; one without a first line that says so, too."""
    return not script.interpreters or any(is_shell([word]) for word in script.interpreters)


def _early(
    delivery: Delivery, units: Mapping[str, UnitCalls], scripts: Mapping[str, _Script]
) -> frozenset[str]:
    by_path = {normal(path): path for path in scripts}
    return before_node_layer(
        {
            name: Part(
                relations=unit.relations, starts=unit.started, runs=_run(unit.words, by_path)
            )
            for name, unit in units.items()
        },
        {
            path: Part(
                relations={}, starts=script.wants.started, runs=_run(_words(script), by_path)
            )
            for path, script in scripts.items()
        },
        delivery.enabled,
        delivery.linked,
    )  # fmt: skip


def _words(script: _Script) -> Iterator[str]:
    if script.shell:
        yield from script.shell.sources
        yield from (word for line in script.shell.lines for word in line.words if word)


def _run(words: Iterable[str], scripts: Mapping[str, str]) -> set[str]:
    """Return the scripts that are among the words of command lines, by name or by path."""
    paths = (path for word in words for path in (candidates(word) or (normal(word),)))
    return {scripts[path] for path in paths if path in scripts}


def _unit_calls(
    delivery: Delivery, units: Mapping[str, UnitCalls], early: Set[str]
) -> Iterator[Call]:
    for name, unit in units.items():
        for call in unit.calls:
            yield Call(
                origin=delivery.origin, caller=call.name, line=call.line, command=call.command,
                kind=call.kind, is_before=name in early,
            )  # fmt: skip


def _script_calls(
    delivery: Delivery,
    units: Mapping[str, UnitCalls],
    scripts: Mapping[str, _Script],
    early: Set[str],
) -> Iterator[Call]:
    asked: dict[str, list[frozenset[str]]] = {}
    for unit in units.values():
        for call in unit.calls:
            asked.setdefault(normal(call.command), []).append(unit.probed)
    for path, script in scripts.items():
        # What each unit that runs the script asks for, the script need not ask for again.
        known = frozenset[str].intersection(*asked.get(normal(path), [frozenset()]))
        for want in _wants(script):
            if not is_probed(want.name, known | script.wants.probed):
                yield Call(
                    origin=delivery.origin, caller=path, line=want.line, command=want.name,
                    kind=want.kind, is_before=path in early,
                )  # fmt: skip


def _wants(script: _Script) -> Iterator[Want]:
    for command in script.interpreters:
        yield Want(kind=Kind.PROGRAM, name=command, line=1)
    for call in script.shell.calls if script.shell else ():
        yield Want(kind=Kind.PROGRAM, name=call.command, line=call.line)
    yield from script.wants.wants


def _units(delivery: Delivery, units: Mapping[str, UnitCalls], made: Set[str]) -> frozenset[str]:
    """Return the units that the config defines, names anew, or writes while it runs."""
    aliases = (name for unit in units.values() for name in unit.relations.get("Alias", ()))
    written = map(posixpath.basename, made)
    defined = {*delivery.defined, *map(unit_name, delivery.defined)}
    return frozenset({*defined, *aliases, *written})


def _unread(units: Mapping[str, UnitCalls], scripts: Mapping[str, _Script]) -> Iterator[str]:
    for unit in units.values():
        yield from (f"{name} line {line} (syntax error)" for name, line in unit.unread)
    for path, script in scripts.items():
        if script.shell and script.shell.unread:
            lines = ", ".join(f"{line}" for line in script.shell.unread[:_QUOTED_LINES])
            yield f"{path} line {lines} (syntax error)"


def _first_of_each(calls: Sequence[Call]) -> tuple[Call, ...]:
    first: dict[tuple[str, Kind, str], Call] = {}
    for call in calls:
        first.setdefault((call.caller, call.kind, call.command), call)
    return tuple(first.values())
