"""The SSH keys of one play: made new every time, unless it goes on from a kept checkpoint.

Ed25519 only: an RSA host key alone costs a guest in emulation 16 to 21 s.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from harness.model.drawn import draw
from harness.model.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """A private key in OpenSSH format and its public line, which has no newline."""

    private: Secret
    public: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKeys:
    """The key the harness logs in with, and the one the guest's sshd proves itself with."""

    client: KeyPair = field(repr=False)
    host: KeyPair = field(repr=False)


def make_run_keys() -> RunKeys:
    """Make both key pairs of a run."""
    return RunKeys(client=_make_pair("node-image-client"), host=_make_pair("node-image-host"))


def _make_pair(comment: str) -> KeyPair:
    private = draw(f"SSH key {comment}", _new_private)
    public = load_ssh_private_key(private.encode(), None).public_key()
    line = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return KeyPair(private=Secret(private), public=f"{line.decode()} {comment}")


def _new_private() -> str:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
