"""The SSH keys of one run: made new every time, kept in memory, never reused.

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
)

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
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return KeyPair(private=Secret(private.decode()), public=f"{public.decode()} {comment}")
