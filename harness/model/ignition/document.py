"""Read and merge Ignition documents (JSON) by the rules of the specification.

Only the fields that merging needs are checked here; `ignition-validate` checks all fields.

Source: Ignition "Operator Notes", Config Merging; the keys of each list are those of
coreos/ignition v2.14.0 config/v3_3/types (`Key`, `IgnoreDuplicates`, `MergedKeys`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from harness.model.errors import InputError
from harness.model.foreign import json_value

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Document = dict[str, Json]

SUPPORTED = ("3.0.0", "3.1.0", "3.2.0", "3.3.0", "3.4.0", "3.5.0", "3.6.0", "3.6.0-experimental")

_KEYED = {
    "ignition.config.merge": "source",
    "ignition.security.tls.certificateAuthorities": "source",
    "passwd.groups": "name",
    "passwd.users": "name",
    "storage.directories": "path",
    "storage.disks": "device",
    "storage.files": "path",
    "storage.filesystems": "device",
    "storage.links": "path",
    "storage.luks": "name",
    "storage.luks.clevis.tang": "url",
    "storage.raid": "name",
    "systemd.units": "name",
    "systemd.units.dropins": "name",
}
"""Lists of objects, and the field that identifies an entry."""

_STRINGS = (
    "ignition.proxy.noProxy",
    "kernelArguments.shouldExist",
    "kernelArguments.shouldNotExist",
    "passwd.users.groups",
    "passwd.users.sshAuthorizedKeys",
    "storage.raid.devices",
)
"""Lists of strings that contain each string once."""

_APPENDED = (
    "storage.files.append",
    "storage.filesystems.mountOptions",
    "storage.filesystems.options",
    "storage.luks.openOptions",
    "storage.luks.options",
    "storage.raid.options",
)
"""Lists that are joined: entries may repeat, and their order matters."""

_PARTITIONS = "storage.disks.partitions"
_LISTS = (*_KEYED, *_STRINGS, *_APPENDED, _PARTITIONS)
_OBJECTS = {path.rsplit(".", depth)[0] for path in _LISTS for depth in (1, 2, 3)} - {*_LISTS}

_ONE_NAMESPACE = {
    "storage": ("directories", "files", "links"),
    "kernelArguments": ("shouldExist", "shouldNotExist"),
}
"""Lists that share keys: a child's entry replaces those of the same key in all these lists."""


def parse(text: str, name: str) -> Document:
    """Return the document of an Ignition config; errors call it `name`.

    Raises:
        InputError: it is not JSON, not Ignition 3.0.0 to 3.6.0, or a field has the wrong type. The
            message has the line or the path of the problem.
    """
    try:
        document = json_value(text)
    except json.JSONDecodeError as exc:
        raise InputError(
            name, f"not JSON: line {exc.lineno} column {exc.colno}: {exc.msg}",
            "Write JSON; convert a Butane config (YAML) with `butane` first.",
        ) from exc  # fmt: skip
    except ValueError as exc:
        raise InputError(
            name, f"not usable JSON: {exc}", "Check the program that wrote the config."
        ) from exc
    if not isinstance(document, dict):
        raise InputError(
            name, "not a JSON object", 'Begin with {"ignition": {"version": "3.4.0"}}.'
        )
    _check_version(document, name)
    for problem in _shape_problems(document, ""):
        raise InputError(name, problem, "Correct it; `ignition-validate` can check the config.")
    return document


def merge(parent: Document, child: Document) -> Document:
    """Return `parent` merged with `child`; neither is changed.

    Both must come from `parse` or `Config.to_document`. The child takes precedence. The result has
    the higher of the two versions.
    """
    versions = {_version(parent), _version(child)}
    merged = _merge_objects(parent, child, "")
    merged["ignition"] = {**object_of(merged, "ignition"), "version": max(versions)}
    return merged


def _check_version(document: Document, name: str) -> None:
    version = _version(document)
    if version in SUPPORTED:
        return
    if not version and document.get("kind") == "MachineConfig":
        problem = "a MachineConfig, not an Ignition config"
        remedy = "Use the Ignition config that it has in spec.config."
    elif version.startswith("2."):
        problem = f"ignition.version {version}: spec 2 is not supported"
        remedy = "Convert it with `ign-converter`, or write it for spec 3."
    else:
        problem = f"unsupported ignition.version {version or '(none)'}"
        remedy = f"Use one of: {', '.join(SUPPORTED)}."
    raise InputError(name, problem, remedy)


def _version(document: Document) -> str:
    # Supported versions have one digit per number, so they sort as text, experimental ones last.
    version = object_of(document, "ignition").get("version")
    return version if isinstance(version, str) else ""


def object_of(document: Document, field: str) -> Document:
    """Return the object in a field, or an empty one."""
    value = document.get(field)
    return value if isinstance(value, dict) else {}


def _shape_problems(value: Json, where: str) -> Iterator[str]:
    """Yield the problems that prevent merging, each with its path in the document."""
    kind = _kind(where)
    if kind in _OBJECTS and not isinstance(value, dict):
        yield f"{where} is not an object"
    elif kind in _LISTS and not where.endswith("]"):
        yield from _list_problems(value, where)
    elif isinstance(value, dict):
        for field, inner in value.items():
            if inner is not None:
                yield from _shape_problems(inner, f"{where}.{field}".lstrip("."))


def _list_problems(value: Json, where: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{where} is not a list"
        return
    key = _KEYED.get(_kind(where))
    for index, item in enumerate(value):
        spot = f"{where}[{index}]"
        if _kind(where) in _STRINGS:
            if not isinstance(item, str):
                yield f"{spot} is not a string"
        elif key and not (isinstance(item, dict) and isinstance(item.get(key), str)):
            yield f"{spot} has no string {key}"
        else:
            yield from _shape_problems(item, spot)


def _kind(where: str) -> str:
    """Return a path without indexes: `storage.files.append` for `storage.files[3].append`."""
    return re.sub(r"\[\d+\]", "", where)


def _merge_objects(parent: Document, child: Document, where: str) -> Document:
    merged = _without_replaced(parent, child, where)
    for field, theirs in child.items():
        mine, path = merged.get(field), f"{where}.{field}".lstrip(".")
        if isinstance(mine, dict) and isinstance(theirs, dict):
            merged[field] = _merge_objects(mine, theirs, path)
        elif isinstance(mine, list) and isinstance(theirs, list):
            merged[field] = _merge_lists(mine, theirs, path)
        elif theirs is not None:
            merged[field] = theirs
    return merged


def _without_replaced(parent: Document, child: Document, where: str) -> Document:
    """Return a copy of the parent without entries whose key the child has in another list."""
    kept, fields = dict(parent), _ONE_NAMESPACE.get(where, ())
    for field in set(fields) & set(parent):
        key = _key_of(f"{where}.{field}") or str
        taken = {key(i) for rival in fields if rival != field for i in _items(child, rival)}
        kept[field] = [item for item in _items(parent, field) if key(item) not in taken]
    return kept


def _merge_lists(parent: list[Json], child: list[Json], where: str) -> list[Json]:
    """Return the parent's entries, each merged with the child's of the same key, then new ones."""
    key = _key_of(where)
    if key is None:
        return [*parent, *child]
    # If several entries have the same key, the last one counts, as in Ignition.
    news = {key(item): item for item in child}
    merged: list[Json] = []
    for item in parent:
        theirs = news.get(key(item))
        if isinstance(item, dict) and isinstance(theirs, dict):
            # A header without a value in the child removes the parent's.
            if not (where.endswith(".httpHeaders") and theirs.get("value") is None):
                merged.append(_merge_objects(item, theirs, where))
        else:
            merged.append(item)
    known = {key(item) for item in parent}
    return merged + [item for item in child if key(item) not in known]


def _key_of(where: str) -> Callable[[Json], str] | None:
    """Return the key function of a list, or None if entries are only appended to the list."""
    field = "name" if where.endswith(".httpHeaders") else _KEYED.get(where)
    if field is not None:
        return lambda item: str(item.get(field)) if isinstance(item, dict) else ""
    if where in _STRINGS:
        return str
    return _partition_key if where == _PARTITIONS else None


def _partition_key(partition: Json) -> str:
    if not isinstance(partition, dict):
        return ""
    number, label = partition.get("number"), partition.get("label")
    return f"number:{number}" if number else f"label:{label}" if label is not None else ""


def _items(document: Document, field: str) -> list[Json]:
    value = document.get(field)
    return value if isinstance(value, list) else []
