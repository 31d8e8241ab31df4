"""Reads and copies container images with skopeo(1)."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from harness import process, temporary
from harness.images.acquire.progress import (
    Reporter,
    TransferProgress,
    folder_bytes,
    transfer_progress,
)
from harness.images.container import archive
from harness.images.oci.writing import go_arch
from harness.images.reference import Reference
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, InputError
from harness.model.foreign import json_value

_FATAL = re.compile(r'level=fatal msg=("(?:[^"\\]|\\.)*")')
_PREAMBLE = re.compile(r'^(\(\d+/\d+\): )?(Error )?([Pp]arsing image name "[^"]*": )?')
_LOGIN = "Log in to that registry, and name the file of credentials with --authfile."
# Numbers of statuses are words of their own: digests contain any digits.
_REMEDIES = tuple(
    (re.compile(signs), remedy)
    for signs, remedy in (
        (r"unauthorized|authentication required|denied|\b40[13]\b", _LOGIN),
        (r"too ?many ?requests|\b429\b", "Wait, or log in: registries limit anonymous pulls."),
        (r"manifest unknown|name unknown|no descriptor found|no image found|not found|\b404\b",
         "Check the name, the tag or digest and the architecture of the image."),
        (r"legacy manifest|unsupported manifest|unsupported image",
         "Name an image for containers, and push it with a current tool."),
        (r"corrupted blob|bytes in blob|unexpected eof|connection reset",
         "Pull it again; if that fails, push it again."),
        (r"\b50\d\b|internal server error|bad gateway|unavailable|gateway timeout",
         "Wait: the registry failed."),
        (r"no such file or directory", "Check the path."),
        (r"invalid reference format", "Check the spelling of the reference."),
        (r"x509|certificate", "Add the registry's CA to /etc/containers/certs.d on this host."),
        (r"server gave http response to https client",
         "Serve the registry by HTTPS, or copy the image with `skopeo copy --src-tls-verify=false` "
         "to an oci: folder and name that."),
        (r"no such host|connection refused|timeout|unreachable",
         "Check the registry's name, the network and the proxy settings."),
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An image to read and what it takes: `arch` as in `uname -m`, credentials, a CA folder.

    `report` gets the progress of a copy, of `size_bytes` in all if that is known.
    """

    reference: Reference
    arch: str
    authfile: Path | None = None
    cert_dir: Path | None = None
    size_bytes: int | None = None
    report: Reporter | None = field(default=None, repr=False, compare=False)

    @property
    def go_arch(self) -> str:
        """The architecture as image manifests spell it."""
        return go_arch(self.arch)

    def require_architecture(self, found: str) -> None:
        """Require that an image is for the architecture that is asked for.

        Raises:
            InputError: it is for `found`, as image configurations spell it.
        """
        if found != self.go_arch:
            raise self.without_architecture(
                f"an image for {found or 'no architecture'}, not for {self.arch}"
            )

    def without_architecture(self, problem: str) -> InputError:
        """Return the error for an architecture without an image."""
        remedy = f"Use an image for {self.arch}; contract tests read others with --arch."
        return InputError(str(self.reference), problem, remedy)

    def flags(self, prefix: str) -> list[str]:
        """Return skopeo's options for credentials and CA, each with `prefix`.

        Raises:
            InputError: the authfile is missing (skopeo would ignore it).
        """
        if self.authfile and not self.authfile.is_file():
            remedy = "Name an existing file with --authfile."
            raise InputError(str(self.authfile), "no such file", remedy)
        named = (("authfile", self.authfile), ("cert-dir", self.cert_dir))
        return [f"{prefix}{name}={path}" for name, path in named if path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to copy an image: a registry with a CA folder, or a local layout.

    `folder` is where the image's data arrives on this host, None if elsewhere.
    """

    reference: Reference
    cert_dir: Path | None = None
    folder: Path | None = None


def inspect_manifest(source: Source, deadline: Deadline) -> str:
    """Return the manifest byte for byte: of one image or a list of them.

    Raises:
        InputError: the image cannot be read; has skopeo's reason.
    """
    return _skopeo(
        source, ["inspect", "--raw", *source.flags("--"), str(source.reference)], deadline
    )


def inspect_config(source: Source, deadline: Deadline) -> str:
    """Return the image configuration (JSON); of a list, that for the source's architecture.

    Raises:
        InputError: the image cannot be read; has skopeo's reason.
    """
    words = ["inspect", "--config", *source.flags("--"), str(source.reference)]
    return _skopeo(source, words, deadline)


def copy(source: Source, target: Target, deadline: Deadline, tick_s: float = 1.0) -> str:
    """Copy one image and return its digest (`sha256:…`) at the target.

    That is the source's digest if both ends keep layers as they were pushed. Progress is the size
    of the target's folder every `tick_s` seconds: skopeo shows none without a terminal.

    Raises:
        InputError: the image cannot be read or written; has skopeo's reason.
        DeadlineError: the time is over.
    """
    archive.require_safe(source.reference, deadline)
    words = ["copy", *source.flags("--src-")]
    if all(end.reference.transport.keeps_digests for end in (source, target)):
        words.append("--preserve-digests")
    if target.cert_dir:
        words.append(f"--dest-cert-dir={target.cert_dir}")
    with (
        temporary.folder() as scratch,
        transfer_progress(f"copying {source.reference}", deadline.clock, source.report) as progress,
    ):
        digest = scratch / "digest"
        digest.touch()
        words += [f"--digestfile={digest}", str(source.reference), str(target.reference)]
        update = _updates(source, target, progress)
        _require_success(source, _run(argv(source, words, scratch), deadline, update, tick_s))
        return digest.read_text().strip()


def _updates(source: Source, target: Target, progress: TransferProgress) -> Callable[[], None]:
    """Return a function that updates `progress` by what has arrived since, if that is known."""
    folder = target.folder
    if folder is None:
        return lambda: None
    before_bytes = folder_bytes(folder)
    return lambda: progress.at(folder_bytes(folder) - before_bytes, source.size_bytes)


def _run(
    words: list[str], deadline: Deadline, update: Callable[[], None], tick_s: float
) -> tuple[int, str]:
    """Run skopeo, with an `update` per tick and at the end; return its status and stderr."""
    with process.start(words) as child:
        while True:
            try:
                _, stderr = child.communicate(timeout=min(tick_s, deadline.remaining_s))
            except subprocess.TimeoutExpired as exc:
                update()
                if deadline.is_over:
                    raise DeadlineError(
                        shlex.join(words), deadline.limit_s, "still running",
                        "Check the network and the registry.",
                    ) from exc  # fmt: skip
            else:
                update()
                return child.returncode, stderr.decode(errors="replace")


def _skopeo(source: Source, words: list[str], deadline: Deadline) -> str:
    archive.require_safe(source.reference, deadline)
    with temporary.folder() as scratch:
        done = process.run(argv(source, words, scratch), deadline, check=False)
    _require_success(source, (done.status, done.stderr))
    return done.stdout


def argv(source: Source, words: Sequence[str], scratch: Path) -> list[str]:
    """Return the command line for skopeo with `words`, for the architecture of `source`.

    Archives are unpacked in `scratch`, and processes that a killed run left are known by it.
    """
    general = (f"--override-arch={source.go_arch}", "--override-os=linux", f"--tmpdir={scratch}/")
    return ["skopeo", *general, *words]


def _require_success(source: Source, ended: tuple[int, str]) -> None:
    status, stderr = ended
    if status != 0:
        raise refusal(source, decisive_line(stderr))


def refusal(source: Source, problem: str) -> InputError:
    """Return the error for an image that skopeo cannot read, with a remedy for `problem`."""
    return InputError(str(source.reference), problem, _remedy(problem))


def decisive_line(stderr: str) -> str:
    """Return the reason in skopeo's output, without the words around it."""
    fatal = _FATAL.findall(stderr)
    line = fatal[-1] if fatal else "\n".join(stderr.strip().splitlines()[-1:])
    with suppress(ValueError):
        line = str(json_value(line))
    return _PREAMBLE.sub("", line) or "skopeo failed without a message"


def _remedy(problem: str) -> str:
    low = problem.lower()
    for signs, remedy in _REMEDIES:
        if signs.search(low):
            return remedy
    return "Run `skopeo inspect` with the same reference to see more."
