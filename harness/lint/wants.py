"""What a command line needs besides its programs: units by systemctl, and files.

Sources: systemctl(1), UNIT COMMANDS and UNIT FILE COMMANDS; the manuals of the programs named.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from harness.lint.shell_calls import ShellScript
from harness.lint.wrappers import Word

_START = frozenset(
    {
        *("isolate", "reload", "reload-or-restart", "restart", "start", "try-reload-or-restart"),
        "try-restart",
    }
)
_ACT = _START | {"disable", "edit", "enable", "kill", "preset", "reenable", "stop"}
_ASK = frozenset(
    {"cat", "is-active", "is-enabled", "is-failed", "list-unit-files", "show", "status"}
)
_VALUES = frozenset(
    {
        *("-H", "-M", "-n", "-o", "-p", "-s", "-t"),
        *("--host", "--machine", "--property", "--state", "--type"),
    }
)
_ELSEWHERE = ("--user", "--global", "--root", "--image", "-H", "--host", "-M", "--machine")
_UNIT = re.compile(
    r"(?P<name>[\w.\\:-]+)(?P<instance>@[\w.\\:-]*)?\."
    r"(?P<kind>service|socket|target|timer|path)"
)
_MADE_BY_SYSTEMD = (".mount", ".automount", ".swap", ".slice", ".scope", ".device")
_PATH = re.compile(r"/(?:etc|usr|opt)/[\w./@+:-]*\w")
# Their arguments are text, lie in another root, or may be absent.
_NO_FILES = frozenset(
    {
        *("[", "chroot", "docker", "echo", "find", "kubectl", "logger", "mkdir", "nsenter", "oc"),
        *("ostree", "podman", "printf", "rm", "rmdir", "rpm-ostree", "semanage", "skopeo", "ssh"),
        *("tee", "test", "touch", "truncate"),
    }
)
_MAKES_EACH = frozenset({"mkdir", "tee", "touch", "truncate"})
_MAKES_LAST = frozenset({"cp", "install", "ln", "mv", "rsync"})
_DOWNLOADS = {"curl": ("-o", "--output"), "wget": ("-O", "--output-document")}


class Kind(StrEnum):
    """What can be missing from a bootimage."""

    PROGRAM = "program"
    UNIT = "unit"
    FILE = "file"
    OS_RELEASE = "os-release"


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """A wanted thing by its name, and the line that wants it.

    A unit is named with its type, a folder with a slash at its end, a question to os-release as
    FIELD or FIELD=VALUE.
    """

    kind: Kind
    name: str
    line: int


@dataclass(slots=True)
class Wants:
    """What command lines need, test for first and create, and the units that they start.

    `folders` are paths of which they make the folders, too.
    """

    wants: list[Want] = field(default_factory=list)
    probed: set[str] = field(default_factory=set)
    made: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    started: set[str] = field(default_factory=set)

    def add_line(self, words: Sequence[Word], line: int) -> None:
        """Add a command line without its wrappers."""
        name = posixpath.basename(words[0] or "") if words else ""
        if name in ("systemctl", "service"):
            self._add_units(_units(name, words[1:]), line)
            return
        paths = [path for word in words[1:] if (path := _path(word))]
        made = _made(name, words, paths)
        self._add_made(made, line, makes_folders=name == "mkdir" or bool({"-d", "-D"} & {*words}))
        if name not in _NO_FILES:
            read = [path for path in paths if path not in made]
            self.wants += (Want(kind=Kind.FILE, name=path, line=line) for path in read)

    def add_script(self, script: ShellScript) -> None:
        """Add the command lines of a script, and the files that it reads from or writes to."""
        for line in script.lines:
            self.add_line(line.words, line.line)
        for redirect in script.redirects:
            if not (path := _path(redirect.path)):
                continue
            if redirect.is_output:
                self._add_made([path], redirect.line)
            else:
                self.wants.append(Want(kind=Kind.FILE, name=path, line=redirect.line))

    def _add_made(self, paths: Sequence[str], line: int, *, makes_folders: bool = False) -> None:
        self.made.update(paths)
        if makes_folders:
            self.folders.update(paths)
        else:
            folders = (f"{posixpath.dirname(path)}/" for path in paths)
            self.wants += (Want(kind=Kind.FILE, name=folder, line=line) for folder in folders)

    def _add_units(self, found: tuple[str, Sequence[str]], line: int) -> None:
        verb, units = found
        if verb in _ASK:
            self.probed.update(units)
        elif verb in _ACT:
            self.wants += (Want(kind=Kind.UNIT, name=unit, line=line) for unit in units)
        if verb in _START or verb in ("enable", "reenable"):
            self.started.update(units)


def _made(name: str, words: Sequence[Word], paths: Sequence[str]) -> Sequence[str]:
    """Return which of the paths of a command line it makes."""
    if name in _MAKES_EACH:
        return paths
    if name in _DOWNLOADS:
        return _values(words, _DOWNLOADS[name])
    if name == "podman" and words[1:2] == ("cp",):
        return [path] if (path := _path(words[-1])) else ()
    return paths[-1:] if name in _MAKES_LAST and _path(words[-1]) else ()


def _values(words: Sequence[Word], options: Sequence[str]) -> list[str]:
    """Return the paths that options are given, as `-o PATH`, `-sSLo PATH` or `--output=PATH`."""
    short = options[0][1]
    found = [
        _path(value)
        for option, value in pairwise(words)
        if option in options or re.fullmatch(rf"-[a-zA-Z]+{short}", option or "")
    ]
    long = [_path(word) for word in words if word and word.startswith(f"{options[1]}=")]
    return [path for path in (*found, *long) if path]


def unit_name(word: str) -> str:
    """Return the file of a unit that is named, its template for an instance.

    Nothing for a pattern, a name with specifiers, and types that systemd makes by itself.
    """
    if word.endswith(_MADE_BY_SYSTEMD):
        return ""
    name = word if _UNIT.fullmatch(word) else f"{word}.service"
    match = _UNIT.fullmatch(name)
    if match is None:
        return ""
    return f"{match['name']}{'@' if match['instance'] else ''}.{match['kind']}"


def _units(program: str, rest: Sequence[Word]) -> tuple[str, list[str]]:
    """Return the verb and the units of a call of systemctl or service."""
    words: list[Word] = []
    skips = False
    for word in rest:
        if skips or (word or "").startswith("-"):
            if word and word.split("=")[0] in _ELSEWHERE:
                return "", []
            skips = not skips and word in _VALUES
            continue
        words.append(word)
    if program == "service":
        words = words[1::-1]
    units = [unit for word in words[1:] if word and (unit := unit_name(word))]
    return (words[0] or "" if words else ""), units


def _path(word: Word) -> str:
    text = (word or "").partition("=")[2] if (word or "").startswith("--") else word or ""
    return text if _PATH.fullmatch(text) else ""
