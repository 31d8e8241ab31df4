"""Ignition configs made from typed pieces, and rendered reproducibly.

`Config(...).to_document()` returns the JSON document, `render` its text. `parse` reads documents of
others and `merge` joins them; both are of `document`.

Source: Ignition configuration specification v3.2.0 (the version the OpenShift installer writes).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass

from harness.model.ignition.document import Document, Json, merge, parse
from harness.model.ignition.plausible import require_plausible
from harness.model.secret import Secret

__all__ = [
    "Config",
    "Directory",
    "Document",
    "Dropin",
    "File",
    "Json",
    "Link",
    "Unit",
    "User",
    "merge",
    "parse",
    "render",
]

SPEC_VERSION = "3.2.0"
Contents = str | bytes | Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file; without `overwrite` Ignition fails if the path exists with other contents."""

    path: str
    contents: Contents
    mode: int = 0o644
    overwrite: bool | None = None
    user: str | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        """Raise InputError if the path or the mode makes no sense."""
        require_plausible(f"file {self.path}", self.path, self.mode)

    def to_json(self) -> dict[str, Json]:
        """Return the entry for `storage.files`."""
        contents: Json = {"source": _data_url(self.contents)}
        return _node(self) | {"mode": self.mode, "contents": contents}


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """A directory; Ignition makes missing parents."""

    path: str
    mode: int = 0o755
    overwrite: bool | None = None
    user: str | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        """Raise InputError if the path or the mode makes no sense."""
        require_plausible(f"directory {self.path}", self.path, self.mode)

    def to_json(self) -> dict[str, Json]:
        """Return the entry for `storage.directories`."""
        return _node(self) | {"mode": self.mode}


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link, symbolic unless `hard`."""

    path: str
    target: str
    hard: bool = False
    overwrite: bool | None = None
    user: str | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        """Raise InputError if the path makes no sense."""
        require_plausible(f"link {self.path}", self.path)

    def to_json(self) -> dict[str, Json]:
        """Return the entry for `storage.links`."""
        return _node(self) | {"target": self.target, "hard": self.hard}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropin:
    """A drop-in file of a unit; `name` ends with `.conf`."""

    name: str
    contents: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A systemd unit; `contents` is None for a unit of the image."""

    name: str
    contents: str | None = None
    enabled: bool | None = None
    mask: bool | None = None
    dropins: tuple[Dropin, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """Return the entry for `systemd.units`."""
        dropins: list[Json] = [{"name": d.name, "contents": d.contents} for d in self.dropins]
        return _without_blanks(
            {
                "name": self.name,
                "contents": self.contents,
                "enabled": self.enabled,
                "mask": self.mask,
                "dropins": dropins,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user, changed if the image has it, else added."""

    name: str
    ssh_authorized_keys: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    password_hash: Secret | None = None

    def to_json(self) -> dict[str, Json]:
        """Return the entry for `passwd.users`."""
        return _without_blanks(
            {
                "name": self.name,
                "sshAuthorizedKeys": list(self.ssh_authorized_keys),
                "groups": list(self.groups),
                "passwordHash": self.password_hash.reveal() if self.password_hash else None,
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A config, or a part of one. Its entries keep their order."""

    files: tuple[File, ...] = ()
    directories: tuple[Directory, ...] = ()
    links: tuple[Link, ...] = ()
    units: tuple[Unit, ...] = ()
    users: tuple[User, ...] = ()

    def to_document(self) -> Document:
        """Return the JSON document. It has secrets in plain text: keep it out of logs."""
        storage: dict[str, Json] = {
            "directories": [piece.to_json() for piece in self.directories],
            "files": [piece.to_json() for piece in self.files],
            "links": [piece.to_json() for piece in self.links],
        }
        systemd: dict[str, Json] = {"units": [piece.to_json() for piece in self.units]}
        passwd: dict[str, Json] = {"users": [piece.to_json() for piece in self.users]}
        return _without_blanks(
            {
                "ignition": {"version": SPEC_VERSION},
                "passwd": _without_blanks(passwd),
                "storage": _without_blanks(storage),
                "systemd": _without_blanks(systemd),
            }
        )


def render(document: Document) -> str:
    """Return the document as text; equal documents give equal text, whatever their key order."""
    import msgspec  # not at the top: every project that has the plugin loads this module

    # With an indent, `json` would encode in Python instead of C.
    text = json.dumps(document, sort_keys=True, ensure_ascii=False)
    return msgspec.json.format(text, indent=2) + "\n"


def _node(piece: File | Directory | Link) -> dict[str, Json]:
    return _without_blanks(
        {
            "path": piece.path,
            "overwrite": piece.overwrite,
            "user": _named(piece.user),
            "group": _named(piece.group),
        }
    )


def _named(name: str | None) -> Json:
    return None if name is None else {"name": name}


def _without_blanks(fields: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in fields.items() if value not in (None, [], {})}


def _data_url(contents: Contents) -> str:
    if isinstance(contents, Secret):
        contents = contents.reveal()
    raw = contents.encode() if isinstance(contents, str) else contents
    return "data:;base64," + base64.b64encode(raw).decode("ascii")
