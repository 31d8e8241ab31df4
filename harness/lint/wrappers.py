"""What a command line calls besides its first word: `sudo -u core env A=b oc` calls three programs.

Words are static text, or None where a variable or another expansion stands. Sources: the manual of
each program in the table, and bash(1), SHELL BUILTIN COMMANDS.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

Word = str | None

_NAME = re.compile(r"(?:\w|\.{0,2}/)[\w./+:@-]*")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
_SHELLS = frozenset({"ash", "bash", "dash", "ksh", "sh"})
_SHELL_VALUES = frozenset({"-o", "-O", "+o", "+O", "--rcfile", "--init-file"})
_BODY_OPTION = re.compile(r"-[a-zA-Z]*c[a-zA-Z]*")
# What a shell does by itself, and words that begin or end a part of its grammar.
_BUILTINS = frozenset(
    (
        *(".", ":", "[", "[[", "]]", "!", "{", "}", "alias", "bg", "bind", "break", "builtin"),
        *(
            "caller",
            "case",
            "cd",
            "command",
            "compgen",
            "complete",
            "compopt",
            "continue",
            "coproc",
        ),
        *("declare", "dirs", "disown", "do", "done", "echo", "elif", "else", "enable", "esac"),
        *("eval", "exec", "exit", "export", "false", "fc", "fg", "fi", "for", "function"),
        *("getopts", "hash", "help", "history", "if", "in", "jobs", "kill", "let", "local"),
        *("logout", "mapfile", "popd", "printf", "pushd", "pwd", "read", "readarray", "readonly"),
        *("return", "select", "set", "shift", "shopt", "source", "suspend", "test", "then", "time"),
        *("times", "trap", "true", "type", "typeset", "ulimit", "umask", "unalias", "unset"),
        *("until", "wait", "while"),
    )
)
_FILE_TESTS = frozenset({"-e", "-f", "-r", "-s", "-x"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wrapper:
    """A program that runs another one: what stands between the two names.

    `values` are the options whose value is the next word, `operands` counts words of its own.
    """

    values: frozenset[str] = frozenset()
    operands: int = 0
    takes_assignments: bool = False


def _wrapper(values: str = "", operands: int = 0, *, assigns: bool = False) -> _Wrapper:
    return _Wrapper(values=frozenset(values.split()), operands=operands, takes_assignments=assigns)


_WRAPPERS = {
    "command": _wrapper(),
    "env": _wrapper("-u --unset -C --chdir", assigns=True),
    "exec": _wrapper("-a"),
    "flock": _wrapper("-w --timeout -E --conflict-exit-code", operands=1),
    "ionice": _wrapper("-c --class -n --classdata"),
    "nice": _wrapper("-n --adjustment"),
    "nohup": _wrapper(),
    "nsenter": _wrapper("-t --target -S --setuid -G --setgid"),
    "runuser": _wrapper("-u --user -g --group -G --supp-group -s --shell"),
    "setsid": _wrapper(),
    "stdbuf": _wrapper("-i --input -o --output -e --error"),
    "sudo": _wrapper(
        "-u --user -g --group -h --host -p --prompt -C --close-from -r --role -t --type"
        " -T --command-timeout -D --chdir -R --chroot",
        assigns=True,
    ),
    "systemd-cat": _wrapper("-t --identifier -p --priority"),
    "systemd-inhibit": _wrapper(),
    "systemd-run": _wrapper("-u --unit -p --property -E --setenv -M --machine -H --host"),
    "taskset": _wrapper(operands=1),
    "time": _wrapper("-f --format -o --output"),
    "timeout": _wrapper("-k --kill-after -s --signal", operands=1),
    "unshare": _wrapper("-S --setuid -G --setgid -R --root -w --wd"),
    "xargs": _wrapper(
        "-a --arg-file -d --delimiter -E -I -L --max-lines -n --max-args -P --max-procs -s"
        " --max-chars"
    ),
}
"""No chroot, podman or ssh: what they call is not looked for in this root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """What a command line makes run.

    `lines` are the command line and those within it, each from its own program or builtin on.
    `bodies` is text that a shell runs in turn, and `probed` are the programs that it only asks for.
    `rest` is what is left where no name stands, as in `"$@"` of a function.
    """

    lines: tuple[tuple[Word, ...], ...] = ()
    bodies: tuple[str, ...] = ()
    probed: tuple[str, ...] = ()
    rest: tuple[Word, ...] = ()

    @property
    def commands(self) -> tuple[str, ...]:
        """The names and paths of the programs; a shell's builtins are not programs."""
        heads = (line[0] for line in self.lines)
        return tuple(head for head in heads if head and head not in _BUILTINS)


def look_through(words: Sequence[Word]) -> Invocation:
    """Return what a command line makes run, each wrapper looked through."""
    lines: list[tuple[Word, ...]] = []
    while words:
        head, rest = words[0], words[1:]
        if head is None or not _NAME.fullmatch(head):
            break
        name = posixpath.basename(head)
        lines.append(tuple(words))
        if probed := _probed(name, rest):
            return Invocation(lines=tuple(lines), probed=probed)
        if bodies := _bodies(name, rest):
            return Invocation(lines=tuple(lines), bodies=bodies)
        if name == "find":
            return _merged(tuple(lines), [look_through(part) for part in _executed(rest)])
        words = _wrapped(name, rest)
    return Invocation(lines=tuple(lines), rest=tuple(words))


def is_shell(words: Sequence[Word]) -> bool:
    """Return whether a command line is that of a shell."""
    return bool(words) and posixpath.basename(words[0] or "") in _SHELLS


def probed_by_test(words: Sequence[Word]) -> tuple[str, ...]:
    """Return the paths whose existence the words of a test ask for."""
    return tuple(word for option, word in pairwise(words) if option in _FILE_TESTS and word)


def _probed(name: str, rest: Sequence[Word]) -> tuple[str, ...]:
    """Return the programs that a builtin or `which` only looks for."""
    if name in ("test", "["):
        return probed_by_test(rest)
    asks = name in ("hash", "type", "which")
    if asks or (name == "command" and {"-v", "-V"} & {*rest}):
        return tuple(word for word in rest if word and not word.startswith("-"))
    return ()


def _bodies(name: str, rest: Sequence[Word]) -> tuple[str, ...]:
    """Return the text that a command gives to a shell."""
    if name == "eval":
        return (" ".join(word for word in rest if word),) if all(rest) else ()
    if name == "trap":
        first = rest[0] if len(rest) > 1 else None
        return (first,) if first and not first.startswith("-") else ()
    if name in _SHELLS:
        return _shell_body(rest)
    if name in ("flock", "runuser", "su") and "-c" in rest:
        after = rest[list(rest).index("-c") + 1 :]
        return (after[0],) if after and after[0] else ()
    return ()


def _shell_body(rest: Sequence[Word]) -> tuple[str, ...]:
    has_body, at = False, 0
    while at < len(rest):
        word = rest[at]
        if word is None or not word.startswith(("-", "+")):
            return (word,) if has_body and word else ()
        has_body = has_body or bool(_BODY_OPTION.fullmatch(word))
        at += 2 if _takes_value(word, _SHELL_VALUES) else 1
    return ()


def _wrapped(name: str, rest: Sequence[Word]) -> Sequence[Word]:
    """Return the command line within that of `name`, empty when that runs none."""
    wrapper = _WRAPPERS.get(name)
    if wrapper is None:
        return ()
    at, operands = 0, wrapper.operands
    while at < len(rest):
        word = rest[at]
        if word is not None and word.startswith("-") and word != "-":
            at += 2 if _takes_value(word, wrapper.values) else 1
        elif word == "-" or (wrapper.takes_assignments and word and _ASSIGNMENT.fullmatch(word)):
            at += 1
        elif operands:
            at, operands = at + 1, operands - 1
        else:
            break
    return rest[at:]


def _takes_value(option: str, values: frozenset[str]) -> bool:
    """Return whether the next word is an option's value; in `-nu` it is that of the last letter."""
    is_cluster = len(option) > 2 and option[1:].isalpha() and f"-{option[1]}" not in values
    return option in values or (is_cluster and f"-{option[-1]}" in values)


def _executed(words: Sequence[Word]) -> Iterator[Sequence[Word]]:
    """Yield each command line that find(1) runs."""
    begun: list[Word] | None = None
    for word in words:
        if word in ("-exec", "-execdir", "-ok", "-okdir"):
            begun = []
        elif begun is not None and word in (";", "+"):
            yield begun
            begun = None
        elif begun is not None:
            begun.append(word)
    if begun:
        yield begun


def _merged(lines: tuple[tuple[Word, ...], ...], inner: Sequence[Invocation]) -> Invocation:
    return Invocation(
        lines=(*lines, *(line for run in inner for line in run.lines)),
        bodies=tuple(body for run in inner for body in run.bodies),
        probed=tuple(name for run in inner for name in run.probed),
    )
