"""Thin functions over skopeo(1), the one tool here that reads and copies container images."""

from __future__ import annotations

import json
import logging
import re
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness import process
from harness.images.reference import Reference
from harness.model.clock import Deadline
from harness.model.errors import InputError

LOG = logging.getLogger(__name__)
_GO_ARCH = {"x86_64": "amd64", "aarch64": "arm64"}
_FATAL = re.compile(r'level=fatal msg=("(?:[^"\\]|\\.)*")')
_PREAMBLE = re.compile(r'^(\(\d+/\d+\): )?(Error )?([Pp]arsing image name "[^"]*": )?')
_LOGIN = "log in to that registry and name the file with --authfile"
_REMEDIES = (
    (("unauthorized", "authentication required", "denied", "401", "403"), _LOGIN),
    (("manifest unknown", "name unknown", "not found", "no descriptor found"),
     "check the name and the tag or digest of the image"),
    (("no such file or directory",), "check the path"),
    (("invalid reference format",), "check the spelling of the reference"),
    (("x509", "certificate"), "trust the registry's CA on this host (/etc/containers/certs.d)"),
    (("no such host", "connection refused", "timeout", "unreachable"),
     "check the registry's name, the network and the proxy settings"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An image to read and what it takes: `arch` as in `uname -m`, credentials, a CA folder."""

    reference: Reference
    arch: str
    authfile: Path | None = None
    cert_dir: Path | None = None

    @property
    def go_arch(self) -> str:
        """The architecture as image manifests spell it."""
        return _GO_ARCH.get(self.arch, self.arch)

    def flags(self, prefix: str) -> list[str]:
        """Return skopeo's options for credentials and CA, beginning with `prefix`.

        Raises:
            InputError: there is no such authfile (skopeo would go on without it).
        """
        if self.authfile and not self.authfile.is_file():
            raise InputError(str(self.authfile), "no such authfile", "name an existing --authfile")
        named = (("authfile", self.authfile), ("cert-dir", self.cert_dir))
        return [f"{prefix}{name}={path}" for name, path in named if path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to copy an image: into a registry with a CA folder, or a local layout."""

    reference: Reference
    cert_dir: Path | None = None


def inspect_manifest(source: Source, deadline: Deadline) -> str:
    """Return the manifest as it is stored, byte for byte: of one image or a list of them.

    Raises:
        InputError: the image cannot be read; carries what skopeo said.
    """
    return _skopeo(
        source, ["inspect", "--raw", *source.flags("--"), str(source.reference)], deadline
    )


def inspect_config(source: Source, deadline: Deadline) -> str:
    """Return the image configuration (JSON); of a list, that for the source's architecture.

    Raises:
        InputError: the image cannot be read; carries what skopeo said.
    """
    words = ["inspect", "--config", *source.flags("--"), str(source.reference)]
    return _skopeo(source, words, deadline)


def copy(source: Source, target: Target, deadline: Deadline) -> str:
    """Copy one image and return the digest (`sha256:…`) it has at the target.

    The digest is the source's wherever both ends keep layers as they were pushed.

    Raises:
        InputError: the image cannot be read or written; carries what skopeo said.
    """
    LOG.info("copying %s", source.reference)
    words = ["copy", *source.flags("--src-")]
    if all(end.reference.transport.keeps_digests for end in (source, target)):
        words.append("--preserve-digests")
    if target.cert_dir:
        words.append(f"--dest-cert-dir={target.cert_dir}")
    with tempfile.NamedTemporaryFile("r", prefix="node-image-digest-") as digest:
        words += [f"--digestfile={digest.name}", str(source.reference), str(target.reference)]
        _skopeo(source, words, deadline)
        return digest.read().strip()


def _skopeo(source: Source, words: list[str], deadline: Deadline) -> str:
    choice = [f"--override-arch={source.go_arch}", "--override-os=linux"]
    done = process.run(["skopeo", *choice, *words], deadline, check=False)
    if done.status != 0:
        problem = decisive_line(done.stderr)
        raise InputError(str(source.reference), problem, _remedy(problem))
    return done.stdout


def decisive_line(stderr: str) -> str:
    """Return the reason in skopeo's output, without its log dressing."""
    fatal = _FATAL.findall(stderr)
    line = fatal[-1] if fatal else "\n".join(stderr.strip().splitlines()[-1:])
    with suppress(ValueError):
        line = str(json.loads(line))
    return _PREAMBLE.sub("", line) or "skopeo failed without a word"


def _remedy(problem: str) -> str:
    low = problem.lower()
    for signs, remedy in _REMEDIES:
        if any(sign in low for sign in signs):
            return remedy
    return "try the same reference with `skopeo inspect`"
