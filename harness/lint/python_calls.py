"""What a Python script runs: its calls of subprocess and os, as the shell would write them.

`as_shell` gives lines for `shell_calls`, which looks through wrappers and knows files and units.
Words that are not written in the script are a variable there. Nothing is run.

Sources: the documentation of Python's modules ast, os, shutil and subprocess.
"""

from __future__ import annotations

import ast
import shlex
import warnings
from collections.abc import Iterator, Mapping

_UNKNOWN = '"$_"'
_RUN = frozenset({"Popen", "call", "check_call", "check_output", "run"})
_SHELL = frozenset({"getoutput", "getstatusoutput", "popen", "system"})
_REPLACED = frozenset({"execl", "execlp", "execv", "execve", "execvp", "execvpe"})
_MODULES = {"subprocess": _RUN | _SHELL, "os": _SHELL | _REPLACED, "shutil": frozenset({"which"})}


def as_shell(text: str) -> str:
    """Return the commands of a Python script, each on the line of its call.

    Raises:
        SyntaxError: it is not Python of this interpreter's version, or too deeply nested.
    """
    tree = _tree(text)
    names, constants = _imported(tree), _constants(tree)
    lines = [""] * (text.count("\n") + 2)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := _name(node.func, names)):
            lines[node.lineno - 1] += f"{_command(name, node, constants)}; "
    return "\n".join(line.rstrip("; ") for line in lines)


def _tree(text: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes, for instance
            return ast.parse(text)
    except (ValueError, RecursionError, MemoryError) as exc:
        raise SyntaxError(str(exc)) from exc


def _imported(tree: ast.Module) -> dict[str, str]:
    """Return what the script calls the modules, and the functions that it takes out of them."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {one.asname or one.name: one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    return found


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    """Return the variables that are assigned once, with their value."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, []).append(node.value)
    return {name: values[0] for name, values in found.items() if len(values) == 1}


def _name(function: ast.expr, names: Mapping[str, str]) -> str:
    """Return the name of a function that runs a program or looks for one, else nothing."""
    if isinstance(function, ast.Name):
        module, _, name = names.get(function.id, "").rpartition(".")
    elif isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        module, name = names.get(function.value.id, ""), function.attr
    else:
        return ""
    return name if name in _MODULES.get(module, ()) else ""


def _command(name: str, call: ast.Call, constants: Mapping[str, ast.expr]) -> str:
    given = [one.value for one in call.keywords if one.arg == "args"]
    first = (call.args or given)[:1]
    words = list(_words(first[0], constants)) if first else []
    if name == "which":
        return f"command -v {' '.join(words)}"
    if (name in _SHELL or _is_true(call, "shell")) and words:
        return f"sh -c {words[0]}" if words[0] != _UNKNOWN else ""
    return " ".join(words)


def _is_true(call: ast.Call, name: str) -> bool:
    return any(
        one.arg == name and isinstance(one.value, ast.Constant) and one.value.value is True
        for one in call.keywords
    )


def _words(node: ast.expr, constants: Mapping[str, ast.expr]) -> Iterator[str]:
    """Yield the words of a list, of the first part of a sum of lists, or a text as one word."""
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        node = node.left
    if isinstance(node, ast.Name):
        node = constants.get(node.id, node)
    if isinstance(node, ast.List | ast.Tuple):
        yield from (_word(item, constants) for item in node.elts)
    else:
        yield _word(node, constants)


def _word(node: ast.expr, constants: Mapping[str, ast.expr]) -> str:
    if isinstance(node, ast.Name):
        node = constants.get(node.id, node)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _quoted(node.value)
    if isinstance(node, ast.JoinedStr):
        return _quoted("".join(map(_piece, node.values)))
    return _UNKNOWN


def _piece(node: ast.expr) -> str:
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return str(node.value) if is_text and isinstance(node, ast.Constant) else "$_"


def _quoted(text: str) -> str:
    return shlex.quote(text.replace("\n", "; "))
