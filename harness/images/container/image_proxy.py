"""Reads manifests and blobs by `skopeo experimental-image-proxy`: any transport, any credentials.

The proxy takes JSON on a socket that is its standard input, and passes the read end of a pipe for
each answer with data. It closes the pipe only after FinishPipe, for which it answers nothing else:
so that is sent at once, and its answer is read when the pipe has ended. One blob at a time.

Source: skopeo 1.9.3, cmd/skopeo/proxy.go, protocol 0.2.
"""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, Any

from harness import process, temporary
from harness.images.container import archive, skopeo
from harness.images.container.skopeo import Source
from harness.images.layers.blob_stream import BrokenOffError, Descriptor, Pipe, verified
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, InputError, RigError
from harness.model.foreign import json_value

_PROTOCOL = "0.2."
_MESSAGE_BYTES = 1 << 16
_MAX_DOCUMENT_BYTES = 16 << 20  # skopeo limits manifests to 4 MiB
_UPDATE = "Install skopeo 1.9 or newer of the 1.x series."


@dataclass(frozen=True, slots=True)
class _Answer:
    value: Any  # of the method: a number, text or nothing
    pipe_id: int
    fd: int | None
    error: str


class ProxiedImage:
    """One image that the proxy has opened."""

    def __init__(self, source: Source, channel: _Channel) -> None:
        self._source = source
        self._channel = channel
        self._id = self._value("OpenImage", str(source.reference))

    def manifest(self) -> tuple[str, bytes]:
        """Return the digest of what the reference names, and the manifest for our architecture.

        The digest may be that of a list. A manifest of Docker is converted to OCI.

        Raises:
            InputError: there is none.
        """
        answer = self._asked("GetManifest", self._id)
        return str(answer.value), self._document(answer)

    def converted_config(self) -> bytes:
        """Return the configuration as the manifest names it that was converted to OCI.

        Raises:
            InputError: it cannot be read.
        """
        return self._document(self._asked("GetFullConfig", self._id))

    def blob(self, descriptor: Descriptor) -> IO[bytes]:
        """Return a blob as a stream, verified at its end.

        Raises:
            InputError: the image has no such blob.
        """

        def fetch() -> io.RawIOBase:
            size_bytes = descriptor.size_bytes
            return self._pipe(self._asked("GetBlob", self._id, descriptor.digest, size_bytes))

        subject = str(self._source.reference)
        return verified(descriptor, subject, fetch, self._channel.deadline)

    def close(self) -> None:
        """Close the image."""
        self._asked("CloseImage", self._id)

    def _document(self, answer: _Answer) -> bytes:
        with self._pipe(answer) as pipe, io.BufferedReader(pipe) as text:
            read = text.read(_MAX_DOCUMENT_BYTES + 1)
        if len(read) > _MAX_DOCUMENT_BYTES:
            problem = f"a manifest or configuration of more than {_MAX_DOCUMENT_BYTES >> 20} MiB"
            raise InputError(str(self._source.reference), problem, "Check the image.")
        return read

    def _pipe(self, answer: _Answer) -> Pipe:
        if answer.fd is None:
            raise _unusable("it sent no pipe")
        self._channel.send("FinishPipe", answer.pipe_id)
        goal = f"reading {self._source.reference}"
        return Pipe(answer.fd, goal, self._channel.deadline, self._finish)

    def _finish(self) -> None:
        error = self._channel.settled()
        if error:
            refused = skopeo.refusal(self._source, error)
            raise BrokenOffError(refused.subject, refused.problem, refused.remedy)

    def _value(self, method: str, *words: object) -> object:
        return self._asked(method, *words).value

    def _asked(self, method: str, *words: object) -> _Answer:
        answer = self._channel.ask(method, *words)
        if answer.error:
            raise skopeo.refusal(self._source, answer.error)
        return answer


class Proxy:
    """A running proxy, which opens images of one architecture with the same credentials."""

    def __init__(self, source: Source, channel: _Channel) -> None:
        self._source = source
        self._channel = channel

    def open(self, source: Source) -> ProxiedImage:
        """Open an image; the caller may close it.

        Raises:
            InputError: it cannot be read; has skopeo's reason.
        """
        archive.require_safe(source.reference, self._channel.deadline)
        return ProxiedImage(source, self._channel)


@contextmanager
def running(source: Source, deadline: Deadline) -> Iterator[Proxy]:
    """Run a proxy with the credentials and for the architecture of `source`, until `deadline`.

    Raises:
        MissingProgramError: there is no skopeo.
        RigError: it is too old.
    """
    with ExitStack() as stack:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        stack.enter_context(ours)
        with theirs:
            scratch = stack.enter_context(temporary.folder())
            log = stack.enter_context(tempfile.TemporaryFile("w+b", prefix="node-image-skopeo-"))
            words = ("experimental-image-proxy", *source.flags("--"))
            stack.enter_context(
                process.start(
                    skopeo.argv(source, words, scratch), stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL, stderr=log.fileno(),
                )
            )  # fmt: skip
        channel = _Channel(ours, log, deadline)
        version = channel.ask("Initialize").value
        if not str(version).startswith(_PROTOCOL):
            raise _unusable(f"it speaks version {version} of its protocol, not {_PROTOCOL}x")
        yield Proxy(source, channel)


class _Channel:
    """The socket: one request at a time, and FinishPipe's answer when its pipe has ended."""

    def __init__(self, ours: socket.socket, log: IO[bytes], deadline: Deadline) -> None:
        self.deadline = deadline
        self._socket = ours
        self._log = log
        self._is_pending = False

    def ask(self, method: str, *words: object) -> _Answer:
        self.settled()  # of a blob that was closed before its end
        self._send(method, *words)
        return self._receive()

    def send(self, method: str, *words: object) -> None:
        """Send a request whose answer `settled` reads."""
        self._send(method, *words)
        self._is_pending = True

    def settled(self) -> str:
        """Return the error in the answer that is still to come, empty if there is none."""
        if not self._is_pending:
            return ""
        self._is_pending = False
        return self._receive().error

    def _send(self, method: str, *words: object) -> None:
        if self.deadline.is_over:
            raise self._too_late()
        try:
            self._socket.settimeout(self.deadline.remaining_s)
            self._socket.send(json.dumps({"method": method, "args": words}).encode())
        except TimeoutError as exc:
            raise self._too_late() from exc
        except OSError as exc:
            raise self._ended() from exc

    def _receive(self) -> _Answer:
        if self.deadline.is_over:
            raise self._too_late()
        try:
            self._socket.settimeout(self.deadline.remaining_s)
            text, fds, _, _ = socket.recv_fds(self._socket, _MESSAGE_BYTES, 1)
        except TimeoutError as exc:
            raise self._too_late() from exc
        except OSError as exc:
            raise self._ended() from exc
        if not text:
            raise self._ended()
        return _parsed(text, fds)

    def _too_late(self) -> DeadlineError:
        reason = "the registry or skopeo did not answer"
        remedy = "Check the network and the registry."
        return DeadlineError("reading the image", self.deadline.limit_s, reason, remedy)

    def _ended(self) -> RigError:
        self._log.seek(0)
        said = self._log.read().decode(errors="replace")
        return _unusable(f"it ended: {skopeo.decisive_line(said)}")


def _parsed(text: bytes, fds: list[int]) -> _Answer:
    fd = fds[0] if fds else None
    try:
        answer = json_value(text)
        error = "" if answer["success"] else str(answer["error"] or "no reason given")
        return _Answer(answer["value"], int(answer["pipeid"]), fd, error)
    except (ValueError, KeyError, TypeError) as exc:
        if fd is not None:
            os.close(fd)
        raise _unusable(f"it answered {text[:80]!r}") from exc


def _unusable(problem: str) -> RigError:
    return RigError("`skopeo experimental-image-proxy`", problem, _UPDATE)
