"""The one Ignition config of a machine: the harness's pieces, the user's documents, a check."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import reduce
from pathlib import Path

from harness import process
from harness.guest import access
from harness.guest.keys import RunKeys
from harness.guest.kubelet import crio_pause, standalone_kubelet
from harness.guest.live_apply import observation
from harness.model.clock import Deadline
from harness.model.errors import InputError
from harness.model.ignition import Config, Document, merge
from harness.scenarios.scenario import Inputs

LOG = logging.getLogger(__name__)
_VALIDATOR = "ignition-validate"
_VALIDATE_S = 30.0
# An ignition-validate that is older than the config says so; that tells nothing of the config.
_TOO_OLD = ("unsupported config version", "unknown version")
_MERGED = "the merged Ignition config"
_MERGED_REMEDY = (
    "correct the config given with --ignition; without one this is a bug of the harness"
)


def node_pieces(inputs: Inputs, keys: RunKeys) -> tuple[Config, ...]:
    """Return what every scenario wants: logins, evidence, trust in the registry, a kubelet."""
    return (*access_pieces(inputs, keys), *kubelet_pieces(inputs))


def access_pieces(inputs: Inputs, keys: RunKeys) -> tuple[Config, ...]:
    """Return what every machine wants: logins, evidence, trust in the registry."""
    registry = inputs.registry
    login = () if inputs.authfile is None else (access.registry_login(inputs.authfile),)
    return (
        access.logins(keys),
        access.journal_stream(),
        access.registry_trust(registry.address_in_guest, registry.ca_pem),
        *login,
        observation(inputs.paths_to_observe),
    )


def kubelet_pieces(inputs: Inputs) -> tuple[Config, ...]:
    """Return a kubelet without a cluster, and its runtime's settings."""
    return standalone_kubelet(inputs.pause_image), crio_pause(inputs.pause_image)


def whole(pieces: Iterable[Config], extra: Iterable[Document]) -> Document:
    """Return the pieces as one document with the user's merged over it, in their order."""
    documents = (*(piece.to_document() for piece in pieces), *extra)
    return reduce(merge, documents)


def insist_valid(
    text: str, folder: Path, subject: str = _MERGED, remedy: str = _MERGED_REMEDY
) -> None:
    """Do nothing when `ignition-validate` takes the config, or cannot judge it on this host.

    `folder` is private; the config lies there for the moment. `subject` is what an error calls it.

    Raises:
        InputError: it finds a fault; carries what it said.
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
    said = (ended.stderr.strip() or ended.stdout.strip()).replace(f"{path}: ", "")
    if ended.status == 0:
        return
    if any(words in said for words in _TOO_OLD):
        LOG.warning("%s cannot check %s: %s", _VALIDATOR, subject, said)
        return
    raise InputError(subject, f"{_VALIDATOR} refuses it: {said}", remedy)
