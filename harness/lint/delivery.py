"""What an Ignition config delivers: its units, its scripts, and the paths of all the rest.

Contents come from data URLs; what lies elsewhere is named as not read. Nothing is run or fetched.
Sources: Ignition configuration specification v3.6.0; RFC 2397 (data URLs); podman-systemd.unit(5).
"""

from __future__ import annotations

import posixpath
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.images.acquire.url import shown_url
from harness.lint.unit_calls import UnitText
from harness.model import ignition
from harness.model.command import normal
from harness.model.errors import InputError
from harness.model.ignition import Document
from harness.model.ignition.document import object_of
from harness.model.ignition.fields import decode, objects_of, text_of

_PROGRAM = 0o111
_MAX_DEPTH = 4  # of configs that bring configs
_SHEBANG = "#!"
# A unit, or a drop-in of one, that comes as a plain file.
_UNIT_FILE = re.compile(
    r"/etc/systemd/system/(?P<unit>[^/]+\.(?:service|socket|target|timer|path|mount))"
    r"(?P<dropin>\.d/[^/]+\.conf)?"
)
_QUADLET_FILE = re.compile(
    r"/(?:etc|usr/share)/containers/systemd/(?:[^/]+/)*"
    r"(?P<name>[^/]+)\.(?P<kind>container|kube|pod|volume|network|image|build|artifact)"
    r"(?P<dropin>\.d/[^/]+\.conf)?"
)
_WANTED_BY_LINK = re.compile(
    r"/etc/systemd/system/(?P<target>[^/]+)\.(?:wants|requires)/(?P<unit>[^/]+)"
)


@dataclass(slots=True, kw_only=True)
class Delivery:
    """One config while it is read.

    `units` are the files of each unit, `defined` those that are more than drop-ins, `enabled` and
    `linked` (by target) those that a boot starts.
    """

    origin: str
    paths: set[str] = field(default_factory=set)
    scripts: dict[str, str] = field(default_factory=dict)
    units: dict[str, list[UnitText]] = field(default_factory=dict)
    defined: set[str] = field(default_factory=set)
    enabled: set[str] = field(default_factory=set)
    linked: dict[str, set[str]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)


def delivery_of(document: Document, origin: str) -> Delivery:
    """Return what a config delivers, together with the configs that are in it.

    Raises:
        InputError: a file's contents cannot be decoded.
    """
    delivery = Delivery(origin=origin)
    for config in _configs(document, delivery, _MAX_DEPTH):
        _take_units(config, delivery)
        _take_files(config, delivery)
    for texts in delivery.units.values():
        # The unit itself is first, and a drop-in's name counts without its folder.
        texts.sort(key=lambda text: (".d/" in text.name, posixpath.basename(text.name)))
    return delivery


def _configs(document: Document, delivery: Delivery, depth: int) -> Iterator[Document]:
    """Yield the config and those in its data URLs; others are noted as not read."""
    yield document
    config = object_of(object_of(document, "ignition"), "config")
    for source in (*objects_of(config, "merge"), object_of(config, "replace")):
        url = text_of(source, "source")
        if url and not (url.startswith("data:") and depth):
            delivery.unread.append(f"the config at {shown_url(url)}")
        elif url and (inner := _contents(source, "a config in it", delivery)) is not None:
            text = inner.decode(errors="replace")
            held = ignition.parse(text, f"{delivery.origin}: a config in it")
            yield from _configs(held, delivery, depth - 1)


def _take_units(config: Document, delivery: Delivery) -> None:
    for unit in objects_of(object_of(config, "systemd"), "units"):
        if unit.get("mask") is True:
            continue
        name, text = text_of(unit, "name"), text_of(unit, "contents")
        texts = delivery.units.setdefault(name, [])
        texts.append(UnitText(name=name, text=text))
        if text:
            delivery.defined.add(name)
        if unit.get("enabled") is True:
            delivery.enabled.add(name)
        for dropin in objects_of(unit, "dropins"):
            file = f"{name}.d/{text_of(dropin, 'name')}"
            texts.append(UnitText(name=file, text=text_of(dropin, "contents")))


def _take_files(config: Document, delivery: Delivery) -> None:
    storage = object_of(config, "storage")
    for kind in ("files", "links", "directories"):
        delivery.paths |= {normal(text_of(node, "path")) for node in objects_of(storage, kind)}
    for link in objects_of(storage, "links"):
        if match := _WANTED_BY_LINK.fullmatch(text_of(link, "path")):
            delivery.linked.setdefault(match["target"], set()).add(match["unit"])
    for file in objects_of(storage, "files"):
        path, is_program = text_of(file, "path"), _is_program(file)
        parts = [object_of(file, "contents"), *objects_of(file, "append")]
        remote = [url for part in parts if (url := text_of(part, "source")) and _is_remote(url)]
        is_read = is_program or _is_unit(path)
        if is_read:
            delivery.unread += (f"{path} from {shown_url(url)}" for url in remote)
        if remote:
            continue
        held = [_contents(part, path, delivery) for part in parts]
        if None not in held:
            raw = b"".join(part for part in held if part)
            _take_file(path, raw, delivery, is_program=is_program)
        elif is_read:
            delivery.unread.append(f"{path}, for its size")


def _take_file(path: str, raw: bytes, delivery: Delivery, *, is_program: bool) -> None:
    """Keep units, and what is a script by its first line, its mode or its name."""
    text = raw.decode(errors="replace")
    if match := _UNIT_FILE.fullmatch(path) or _QUADLET_FILE.fullmatch(path):
        name = match["unit"] if match.re is _UNIT_FILE else _generated(match["name"], match["kind"])
        delivery.units.setdefault(name, []).append(UnitText(name=path, text=text))
        if not match["dropin"]:
            delivery.defined.add(name)
        if match.re is _QUADLET_FILE:  # its generator heeds [Install] by itself
            delivery.enabled.add(name)
    elif text.startswith(_SHEBANG) or ((is_program or path.endswith(".sh")) and "\0" not in text):
        delivery.scripts[path] = text


def _generated(name: str, kind: str) -> str:
    """Return the unit that podman's generator makes of a quadlet."""
    return f"{name}.service" if kind in ("container", "kube") else f"{name}-{kind}.service"


def _contents(part: Document, path: str, delivery: Delivery) -> bytes | None:
    source = text_of(part, "source")
    if not source:
        return b""
    try:
        return decode(source, text_of(part, "compression"))
    except (ValueError, zlib.error) as exc:
        problem = f"unreadable contents of {path}: {exc}"
        remedy = "Correct them; `ignition-validate` can check the config."
        raise InputError(delivery.origin, problem, remedy) from exc


def _is_unit(path: str) -> bool:
    return bool(_UNIT_FILE.fullmatch(path) or _QUADLET_FILE.fullmatch(path))


def _is_remote(url: str) -> bool:
    return not url.startswith("data:")


def _is_program(file: Document) -> bool:
    mode = file.get("mode")
    return isinstance(mode, int) and bool(mode & _PROGRAM)
