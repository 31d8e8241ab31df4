"""Blobs as streams that end well only if digest and size are those of their descriptor.

A blob whose transfer breaks off is fetched again, and what was given before is skipped: the digest
covers all bytes that the reader got, from whichever transfer.
"""

from __future__ import annotations

import hashlib
import io
import os
import select
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, cast

from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, InputError

_BUFFER_BYTES = 1 << 18
_SKIP_BYTES = 1 << 20
_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """A blob as a manifest names it: media type, digest (`sha256:…`) and size."""

    media_type: str
    digest: str
    size_bytes: int


class BrokenOffError(InputError):
    """A transfer ended early; another try may get all of it."""


def verified(
    descriptor: Descriptor, subject: str, fetch: Callable[[], io.RawIOBase], deadline: Deadline
) -> IO[bytes]:
    """Return the blob that `fetch` opens, as a stream that the caller closes.

    Its last read raises InputError if size or digest differ, or the transfer breaks off each time.
    """
    raw = _Verified(descriptor, subject, fetch, deadline)
    return cast("IO[bytes]", io.BufferedReader(raw, _BUFFER_BYTES))


class Pipe(io.RawIOBase):
    """Reads a pipe until the deadline. `finish` is called when it has ended, and may raise."""

    def __init__(self, fd: int, goal: str, deadline: Deadline, finish: Callable[[], None]) -> None:
        self._fd = fd
        self._goal = goal
        self._deadline = deadline
        self._finish = finish
        self._ready = select.poll()
        self._ready.register(fd, select.POLLIN)

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read what there is; wait for it until the deadline."""
        if not self._ready.poll(self._deadline.remaining_s * 1000):
            raise DeadlineError(self._goal, self._deadline.limit_s, "no more data arrived")
        count = os.readv(self._fd, [buffer])
        if not count:
            self._finish()
        return count

    def close(self) -> None:
        """Close the pipe, which ends the transfer."""
        if not self.closed:
            os.close(self._fd)
        super().close()


class _Verified(io.RawIOBase):
    def __init__(
        self,
        descriptor: Descriptor,
        subject: str,
        fetch: Callable[[], io.RawIOBase],
        deadline: Deadline,
    ) -> None:
        self._blob = descriptor
        self._subject = subject
        self._fetch = fetch
        self._deadline = deadline
        self._sum = hashlib.sha256()
        self._given_bytes = 0
        self._tries = 1
        self._source = fetch()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._deadline.is_over:
            reason = f"{self._given_bytes} of {self._blob.size_bytes} B read"
            raise DeadlineError(f"reading {self._subject}", self._deadline.limit_s, reason)
        count = self._read(buffer)
        self._given_bytes += count
        self._sum.update(buffer[:count])
        if self._given_bytes > self._blob.size_bytes:
            raise self._damaged(f"has more than the {self._blob.size_bytes} bytes of its manifest")
        if not count:
            self._check_end()
        return count

    def close(self) -> None:
        self._source.close()
        super().close()

    def _read(self, buffer: memoryview) -> int:
        while True:
            try:
                return self._part(buffer)
            except BrokenOffError:
                if self._tries >= _TRIES or self._given_bytes >= self._blob.size_bytes:
                    raise
                self._resume()

    def _part(self, buffer: memoryview) -> int:
        count = self._source.readinto(buffer) or 0
        if not count and self._given_bytes < self._blob.size_bytes:
            raise self._broken_off()
        return count

    def _resume(self) -> None:
        self._tries += 1
        self._source.close()
        self._source = self._fetch()
        left_bytes = self._given_bytes
        scratch = memoryview(bytearray(min(left_bytes, _SKIP_BYTES)))
        while left_bytes:
            count = self._source.readinto(scratch[:left_bytes]) or 0
            if not count:
                raise self._broken_off()
            left_bytes -= count

    def _check_end(self) -> None:
        found = f"sha256:{self._sum.hexdigest()}"
        if found != self._blob.digest:
            raise self._damaged(f"has the digest {found}")

    def _broken_off(self) -> BrokenOffError:
        problem = f"ends after {self._given_bytes} of {self._blob.size_bytes} bytes"
        return BrokenOffError(self._subject, f"{self._name} {problem}", _AGAIN)

    def _damaged(self, problem: str) -> InputError:
        return InputError(self._subject, f"{self._name} {problem}", _AGAIN)

    @property
    def _name(self) -> str:
        return f"the blob {self._blob.digest}"


_AGAIN = "Pull or push the image again."
