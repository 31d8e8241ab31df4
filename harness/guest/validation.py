"""The one Ignition config of a machine: pieces merged into a document, and its check."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import reduce
from pathlib import Path

from harness import process
from harness.model.clock import Deadline
from harness.model.errors import InputError
from harness.model.ignition import Config, Document, merge

LOG = logging.getLogger(__name__)
_VALIDATOR = "ignition-validate"
_VALIDATE_S = 30.0
# An ignition-validate that is older than the config says so; that says nothing about the config.
_TOO_OLD = ("unsupported config version", "unknown version")
_MERGED = "the merged Ignition config"
_MERGED_REMEDY = (
    "Correct the config of --ignition; without that option, report a bug of pytest-node-image."
)


def whole(pieces: Iterable[Config], extra: Iterable[Document] = ()) -> Document:
    """Return the pieces as one document, with `extra` merged over it in their order."""
    documents = (*(piece.to_document() for piece in pieces), *extra)
    return reduce(merge, documents)


def require_valid(
    text: str, folder: Path, subject: str = _MERGED, remedy: str = _MERGED_REMEDY
) -> None:
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
    raise InputError(subject, f"refused by {_VALIDATOR}: {printed}", remedy)
