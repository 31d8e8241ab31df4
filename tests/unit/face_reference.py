"""The reference of the public face, made from signatures and docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from types import FunctionType, GenericAlias, UnionType
from typing import get_args

import msgspec

import harness

TOPICS: Mapping[str, str] = {
    "What tests are given": """
        AppliedNode AppliedNodes OwnNode NodeState UnitState Nevra Mount Deployment Session Result
        Level Row PackageRow OsReleaseRow UnitRow FileRow InvariantRow BootImage NodeImage Settings
    """,
    "Time": "Deadline NotYet wait_for",
    "Errors": """
        HarnessError RigError InputError DeadlineError ConnectionLostError GuestCommandError
        ProductError SuiteError
    """,
    "A scenario": """
        Scenario MachinePlan FromDisk FromIso FromNetwork ByFirmware ByPointer InMedium PrivateLink
        Service Need Way STANDALONE_LEVELS BOOTSTRAP_LEVELS NODE_LEVELS
    """,
    "Its steps": """
        Step SwitchOn LogIn Reach Reboot Check Checkpoint NODE_LAYER live_apply_steps pivot_steps
        step_names
    """,
    "A scenario in memory": "rehearse Rehearsal",
    "A scenario while it runs": "play Given Site Running Watch Machine Inputs Rig",
    "Ignition": """
        Document Config File Directory Link Unit Dropin User Secret live_apply pivot Limits
    """,
    "A web server for guests": "serve WebServer Route Request Answer refusal pointer web_server",
}
"""Every public name, under the heading where the reference has it."""

SHOWN: Mapping[str, str] = {
    "AppliedNode": "machine session before after way reboots watch",
    "OwnNode": "name machine watch checkpoint is_forked session require_applied",
    "Deadline": "limit_s after within remaining_s is_over",
    "BootImage": "path format virtual_size_bytes sha256 origin",
    "Inputs": "images node_image pull_spec pause_image bootstrap_ignition live_ignition given",
    "Machine": "name console is_running why_stopped reset",
    "NodeImage": "digest labels version is_stand_in",
    "Rig": "timeout_factor evidence report deadline",
    "Running": "name machine watch boot session",
    "Secret": "reveal",
    "Settings": "scenarios timeout_factor is_stand_in",
    "Session": "run read_text boot_id wait_for_reboot fresh close",
    "Watch": "elapsed_s boots has_reached hits say note failed phase",
    "WebServer": "url_in_guest url requests problems",
}
"""The members that are public where a class has others; the harness alone makes these values."""
_WIDTH = 80
CONSTANTS: Mapping[str, str] = {
    "STANDALONE_LEVELS": "The levels of readiness of a kubelet without a cluster",
    "BOOTSTRAP_LEVELS": "The levels of readiness of a bootstrap machine",
    "NODE_LEVELS": "The levels of readiness of a Node",
    "NODE_LAYER": "The name of the checkpoint at which the node layer is on the judged machine",
}
HIDDEN = ("to_json", "to_document", "scaled")


def markdown() -> str:
    return "\n".join(line for topic, names in TOPICS.items() for line in _topic(topic, names))


def _topic(topic: str, names: str) -> Iterator[str]:
    yield f"## {topic}\n"
    for name in names.split():
        yield from _entry(name, getattr(harness, name))


def _entry(name: str, value: object) -> Iterator[str]:
    yield f"### {name}\n"
    if inspect.isfunction(value):
        yield f"```python\n{name}{_signature(value)}\n```\n"
        yield from _text(value)
    elif inspect.isclass(value):
        yield from _class(name, value)
    elif isinstance(value, UnionType):
        yield f"One of {', '.join(f'`{_type_name(one)}`' for one in get_args(value))}.\n"
    elif isinstance(value, GenericAlias):
        yield "An Ignition config as JSON has it: a `dict` by field names.\n"
    else:
        yield f"{CONSTANTS[name]}: `{value!r}`\n"


def _type_name(kind: type) -> str:
    """Return the name of a type; of a function's, with its parameters and result."""
    *parameters, result = get_args(kind) or (kind,)
    if not parameters:
        return kind.__name__
    (given,) = parameters
    return f"Callable[[{', '.join(one.__name__ for one in given)}], {result.__name__}]"


def _class(name: str, kind: type) -> Iterator[str]:
    if name in SHOWN:
        yield f"{_first(kind)}\n"
    else:
        if parameters := _fields(kind):
            yield f"```python\n{name}({parameters})\n```\n"
        yield from _text(kind)
    if issubclass(kind, Enum):
        yield f"Values: {', '.join(f'`{one.name}`' for one in kind)}.\n"
    members = [_member(member, kind) for member in _members(name, kind)]
    if members:
        yield "".join(f"- {line}\n" for line in members)


def _fields(kind: type) -> str:
    """Return the parameters of a class whose fields are its parameters, empty for any other."""
    if is_dataclass(kind):
        return _listed([_field(one) for one in fields(kind)])
    types = inspect.get_annotations(kind)
    return _listed(
        [
            f"{one.name}: {types[one.name]}" + ("" if one.required else _default(one.default))
            for one in (msgspec.structs.fields(kind) if issubclass(kind, msgspec.Struct) else ())
        ]
    )


def _listed(parameters: list[str]) -> str:
    line = ", ".join(parameters)
    if len(line) <= _WIDTH:
        return line
    return "".join(f"\n    {parameter}," for parameter in parameters) + "\n"


def _members(name: str, kind: type) -> Iterator[str]:
    if name in SHOWN:
        yield from SHOWN[name].split()
        return
    if getattr(kind, "_is_protocol", False):
        yield from inspect.get_annotations(kind)
    for member, value in kind.__dict__.items():
        is_public = not member.startswith("_") and member not in HIDDEN
        if is_public and isinstance(value, property | classmethod | FunctionType):
            yield member


def _member(name: str, kind: type) -> str:
    member = inspect.getattr_static(kind, name, None)
    if isinstance(member, property):
        return f"`{name}`: {_first(member)}"
    function = member.__func__ if isinstance(member, classmethod) else member
    if not isinstance(function, FunctionType):
        return f"`{name}: {inspect.get_annotations(kind)[name]}`"
    errors = ", ".join(f"`{error}`" for error, _ in _errors(function))
    raises = f" Raises {errors}." if errors else ""
    return f"`{name}{_signature(function)}`: {_first(function)}{raises}"


def _field(field: Field[object]) -> str:
    if field.name == "mode":
        return f"{field.name}: {field.type} = {field.default:#o}"
    has_default = field.default is not MISSING or field.default_factory is not MISSING
    return f"{field.name}: {field.type}" + (_default(field.default) if has_default else "")


def _signature(function: Callable[..., object]) -> str:
    signature = inspect.signature(function)
    shown, is_keyword_only = [], False
    for one in signature.parameters.values():
        if one.name in ("self", "cls"):
            continue
        if one.kind is one.KEYWORD_ONLY and not is_keyword_only:
            shown.append("*")
            is_keyword_only = True
        star = "*" if one.kind is one.VAR_POSITIONAL else ""
        default = "" if one.default is one.empty else _default(one.default)
        shown.append(f"{star}{one.name}: {one.annotation}{default}")
    return f"({', '.join(shown)}) -> {signature.return_annotation}"


def _default(value: object) -> str:
    """Return a default as in a signature, without the values that only their makers can read."""
    is_plain = type(value) in (bool, int, float, str, tuple, type(None))
    return f" = {value!r}" if is_plain else " = ..."


def _text(documented: object) -> Iterator[str]:
    """Yield the docstring's paragraphs, its errors as a list."""
    yield f"{_doc(documented).partition('Raises:')[0].strip()}\n"
    errors = "".join(f"- raises `{error}`: {why}\n" for error, why in _errors(documented))
    if errors:
        yield errors


def _first(documented: object) -> str:
    """Return the first paragraph of the docstring, on one line."""
    return " ".join(_doc(documented).split("\n\n")[0].split())


def _errors(documented: object) -> Iterator[tuple[str, str]]:
    """Yield each error of the section Raises with its cause, on one line."""
    section = inspect.cleandoc(_doc(documented).partition("Raises:")[2]).split("\n\n")[0]
    for entry in re.split(r"\n(?=\S)", section):
        error, _, why = entry.partition(": ")
        if why:
            yield error, " ".join(why.split())


def _doc(documented: object) -> str:
    return inspect.getdoc(documented) or ""
