"""The one Ignition config of a machine: pieces merged into a document, and its check."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from functools import reduce
from pathlib import Path

from harness import process
from harness.model.clock import Deadline
from harness.model.errors import InputError
from harness.model.escapes import displayed
from harness.model.foreign import json_value
from harness.model.ignition import Config, Document, Json, merge

LOG = logging.getLogger(__name__)
_VALIDATOR = "ignition-validate"
_VALIDATE_S = 30.0
# An ignition-validate that is older than the config says so; that says nothing about the config.
_TOO_OLD = ("unsupported config version", "unknown version")
_SPOT = re.compile(r"\$((?:\.\w+)+)")
"""A place in the config, such as `$.storage.files.3.path`."""


def whole(pieces: Iterable[Config], extra: Iterable[Document] = ()) -> Document:
    """Return the pieces as one document, with `extra` merged over it in their order."""
    documents = (*(piece.to_document() for piece in pieces), *extra)
    return reduce(merge, documents)


def require_valid(text: str, folder: Path, subject: str, remedy: str) -> None:
    """Return if `ignition-validate` accepts the config, or cannot judge it on this host.

    `folder` is private; the config is there only during the check. Errors name it `subject`.

    Raises:
        InputError: it finds a fault; carries what it printed.
    """
    path = folder / "validate.ign"
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    try:
        ended = process.run((_VALIDATOR, path), Deadline.after(_VALIDATE_S), check=False)
    except process.MissingProgramError:
        LOG.info("%s is not on this host: the config goes unchecked", _VALIDATOR)
        return
    finally:
        path.unlink()
    printed = (ended.stderr.strip() or ended.stdout.strip()).replace(f"{path}: ", "")
    if ended.status == 0:
        return
    if any(words in printed for words in _TOO_OLD):
        LOG.warning("%s cannot check %s: %s", _VALIDATOR, subject, printed)
        return
    problem = f"refused by {_VALIDATOR}: {_with_names(printed, text)}"
    raise InputError(subject, problem, remedy)


def _with_names(printed: str, text: str) -> str:
    """Return the validator's words with the path or name of each entry that they number."""
    document = json_value(text)

    def named(spot: re.Match[str]) -> str:
        name, value = "", document
        for part in spot[1].strip(".").split("."):
            value = _inside(value, part)
            if isinstance(value, dict):
                name = str(value.get("path") or value.get("name") or name)
        return f"{spot[0]} ({displayed(name)})" if name else spot[0]

    return _SPOT.sub(named, printed)


def _inside(value: Json, part: str) -> Json:
    if isinstance(value, dict):
        return value.get(part)
    if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
        return value[int(part)]
    return None
