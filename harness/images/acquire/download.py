"""Downloads over http and https, resumed after an interruption and verified by sha256.

`TARGET.part` has the beginning, and a later run requests the rest. Only the sum decides whether
both belong together, not a validator of the server (ETag). The environment's proxy settings apply,
except to loopback addresses. URLs are printed without secrets (`shown_url`).
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import BinaryIO

import httpx

from harness.images.acquire.compression import compression_of
from harness.images.acquire.digest import Sha256, mismatch, sha256_of
from harness.images.acquire.http_client import (
    FAULTS,
    is_interrupted,
    is_passing,
    new_client,
    status_text,
    time_limit,
    url_fault,
)
from harness.images.acquire.progress import Reporter, TransferProgress, transfer_progress
from harness.images.acquire.url import shown_url
from harness.model.clock import Deadline, NotYet, wait_for
from harness.model.errors import DeadlineError, InputError, reason_of

LOG = logging.getLogger(__name__)
_FRUITLESS_TRIES = 4
_TEXT_LIMIT_BYTES = 1 << 16
_MAX_BYTES = 32 << 30
"""Of any image; RHEL CoreOS disks have some 4 GiB, and 16 GiB uncompressed."""
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(?:\d{1,18}|\*)", re.ASCII)
_LENGTH = re.compile(r"\d{1,18}", re.ASCII)
# The sum is of the bytes as stored: no content encoding may be undone on the way.
_AS_STORED = {"Accept-Encoding": "identity"}
# 403: what object stores answer for a missing object to a client that may not list.
_ABSENT = (httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND, httpx.codes.GONE)
# Answers to a request for the rest: the rest, or that nothing is left.
_RESUMED = (httpx.codes.PARTIAL_CONTENT, httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE)
_SLOW = "Check the network and the server."


def file_name(url: str) -> str:
    """Return the last part of the URL's path.

    Raises:
        InputError: the URL is malformed.
    """
    if fault := url_fault(url):
        raise InputError(shown_url(url), fault, "Correct the URL.")
    return Path(httpx.URL(url).path).name


def download(
    url: str,
    sha256: Sha256,
    target: Path,
    deadline: Deadline,
    *,
    report: Reporter | None = None,
    max_bytes: int | None = None,
) -> None:
    """Download `url` to `target`, from where an earlier run stopped.

    A resumed download with a wrong sum starts over once. `report` gets a line of progress every ten
    seconds.

    Raises:
        InputError: the server refuses, does not answer or does not end; the disk is full; or the
            content has another sum.
        DeadlineError: the time is over; the next run continues.
    """
    part = target.with_name(f"{target.name}.part")
    label = f"downloading {file_name(url)}"
    with (
        new_client(deadline) as client,
        transfer_progress(label, deadline.clock, report) as progress,
    ):
        transfer = _Transfer(client, url, part, progress, deadline, max_bytes)
        got = transfer.complete()
        if got != sha256 and transfer.is_resumed:
            LOG.info("download of %s starts over: what was resumed has another sum", shown_url(url))
            part.unlink(missing_ok=True)
            got = transfer.complete()
    if got != sha256:
        with part.open("rb") as file:
            is_compressed = compression_of(file) is not None
        part.unlink()
        raise mismatch(shown_url(url), sha256, got, is_compressed=is_compressed)
    part.rename(target)


def fetch_text(url: str, deadline: Deadline, limit_bytes: int = _TEXT_LIMIT_BYTES) -> str | None:
    """Return the text at `url`, truncated at the limit; None if the server has none.

    Raises:
        InputError: the server does not answer, or answers with another error.
        DeadlineError: the time is over.
    """
    file_name(url)  # says what is malformed
    try:
        with (
            new_client(deadline) as client,
            client.stream("GET", url, headers=_AS_STORED, timeout=time_limit(deadline)) as answer,
        ):
            if answer.status_code in _ABSENT:
                return None
            if not answer.is_success:
                remedy = "Check the URL, or try again later."
                raise InputError(shown_url(url), status_text(answer), remedy)
            return _read_text(answer, shown_url(url), deadline, limit_bytes)
    except FAULTS as exc:
        if deadline.is_over:  # each wait for the server ends with it, too
            raise DeadlineError(
                f"download of {shown_url(url)}", deadline.limit_s, reason_of(exc), _SLOW
            ) from exc
        raise _unreachable(url, exc) from exc


def _read_text(answer: httpx.Response, shown: str, deadline: Deadline, limit_bytes: int) -> str:
    text = bytearray()
    for chunk in answer.iter_raw():
        text += chunk
        if len(text) >= limit_bytes or deadline.is_over:
            break
    if deadline.is_over:  # an answer of unknown length ends when it is cut off, too
        reason = f"{len(text)} B read"
        raise DeadlineError(f"download of {shown}", deadline.limit_s, reason, _SLOW)
    return text[:limit_bytes].decode(errors="replace")


class _Transfer:
    """Attempts at one download. `is_resumed` is true if the last one continued an earlier one."""

    def __init__(
        self,
        client: httpx.Client,
        url: str,
        part: Path,
        progress: TransferProgress,
        deadline: Deadline,
        max_bytes: int | None,
    ) -> None:
        self._client = client
        self._url = url
        self._part = part
        self._progress = progress
        self._deadline = deadline
        self._max_bytes = max_bytes
        self._fruitless = 0
        self._furthest_bytes = 0
        self._wrong_places = 0
        self.is_resumed = False

    def complete(self) -> Sha256:
        """Download to the end and return the sum."""
        goal = f"download of {shown_url(self._url)}"
        wait_for(goal, self._attempt, self._deadline, tick_s=1.0)
        return sha256_of(self._part, self._deadline)

    @property
    def _arrived_bytes(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _attempt(self) -> None:
        self._furthest_bytes = max(self._furthest_bytes, self._arrived_bytes)
        try:
            self._fetch()
        except (*FAULTS, NotYet) as exc:
            is_further = self._arrived_bytes > self._furthest_bytes
            self._fruitless = 0 if is_further else self._fruitless + 1
            can_pass = isinstance(exc, NotYet) or is_interrupted(exc)
            if not can_pass or self._fruitless >= _FRUITLESS_TRIES:
                raise _unreachable(self._url, exc) from exc
            LOG.info("download of %s interrupted: %s", shown_url(self._url), reason_of(exc))
            raise NotYet(reason_of(exc)) from exc

    def _fetch(self) -> None:
        begun_bytes = self._arrived_bytes
        headers = {**_AS_STORED, **({"Range": f"bytes={begun_bytes}-"} if begun_bytes else {})}
        timeout = time_limit(self._deadline)
        with self._client.stream("GET", self._url, headers=headers, timeout=timeout) as answer:
            self.is_resumed = begun_bytes > 0 and answer.status_code in _RESUMED
            if self.is_resumed and answer.status_code != httpx.codes.PARTIAL_CONTENT:
                return  # nothing is left
            self._check(answer)
            if self.is_resumed and not _continues_at(answer, begun_bytes):
                self._start_over()
            with self._part.open("ab" if self.is_resumed else "wb") as file:
                self._write(answer, file)

    def _start_over(self) -> None:
        self._part.unlink()
        self._furthest_bytes = 0
        self._wrong_places += 1
        problem = "the server continues at another place than asked"
        if self._wrong_places >= _FRUITLESS_TRIES:
            raise InputError(shown_url(self._url), problem, "Use another server.")
        raise NotYet(problem)

    def _write(self, answer: httpx.Response, file: BinaryIO) -> None:
        length = answer.headers.get("Content-Length", "")
        total = file.tell() + int(length) if _LENGTH.fullmatch(length) else None
        self._require_plausible(total or 0)
        for chunk in answer.iter_raw():
            self._require_plausible(file.tell() + len(chunk))
            self._append(file, chunk)
            self._progress.at(file.tell(), total)
            if self._deadline.is_over:
                break
        # An answer of unknown length ends when it is cut off, too.
        if self._deadline.is_over and file.tell() != total:
            goal = f"download of {shown_url(self._url)}"
            reason = f"{file.tell()} of {total or 'unknown'} B read"
            raise DeadlineError(goal, self._deadline.limit_s, reason, _SLOW)

    def _require_plausible(self, size_bytes: int) -> None:
        limit_bytes = _MAX_BYTES if self._max_bytes is None else self._max_bytes
        if size_bytes > limit_bytes:
            self._part.unlink()
            problem = f"more than {limit_bytes / (1 << 30):g} GiB, which no such file has"
            raise InputError(shown_url(self._url), problem, "Check the URL.")

    def _append(self, file: BinaryIO, chunk: bytes) -> None:
        try:
            file.write(chunk)
            file.flush()
        except OSError as exc:
            arrived = f"{self._arrived_bytes >> 20} MiB"
            self._part.unlink()  # what cannot be completed does not keep the disk full
            problem = f"cannot be kept after {arrived}: {exc.strerror}"
            remedy = "Free disk space, or set XDG_CACHE_HOME to another folder."
            raise InputError(shown_url(self._url), problem, remedy) from exc

    def _check(self, answer: httpx.Response) -> None:
        said = status_text(answer)
        if is_passing(answer.status_code):
            raise NotYet(said)
        if not answer.is_success:
            remedy = "Check the URL, and the login if the server needs one."
            raise InputError(shown_url(self._url), said, remedy)


def _continues_at(answer: httpx.Response, begun_bytes: int) -> bool:
    """Return whether a partial answer begins there, by what it says; if not, the sum decides."""
    said = answer.headers.get("Content-Range")
    if said is None:
        return True
    found = _CONTENT_RANGE.fullmatch(said)
    return found is not None and int(found[1]) == begun_bytes


def _unreachable(url: str, exc: Exception) -> InputError:
    remedy = "Check the URL, the network and the proxy settings (HTTPS_PROXY, NO_PROXY)."
    return InputError(shown_url(url), f"cannot be downloaded: {reason_of(exc)}", remedy)
