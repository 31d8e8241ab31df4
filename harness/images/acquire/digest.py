"""SHA-256 sums: parse those of a user or a `.sha256` file, and compute them."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import NewType

from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, InputError

Sha256 = NewType("Sha256", str)
"""64 lower-case hexadecimal digits, without `sha256:` in front."""

_READ_BYTES = 1 << 20
_HEX = re.compile(r"[0-9a-f]{64}")


def parse_sha256(text: str) -> Sha256:
    """Return the sum in `text`, with or without `sha256:` in front.

    Raises:
        InputError: it is not 64 hexadecimal digits.
    """
    digits = text.strip().lower().removeprefix("sha256:")
    if not _HEX.fullmatch(digits):
        raise InputError(repr(text), "not a sha256 sum", "Use 64 hexadecimal digits.")
    return Sha256(digits)


def parse_sums(text: str, name: str) -> Sha256 | None:
    """Return the sum for the file `name` in a `.sha256` file, or the only sum in it, or None.

    Source: sha256sum(1), both `SUM  NAME` and the BSD style `SHA256 (NAME) = SUM`.
    """
    sums = [_sum_in(line) for line in text.splitlines() if name in re.split(r"[\s*()/]+", line)]
    sums = sums or [_sum_in(line) for line in text.splitlines()]
    found = {digits for digits in sums if digits}
    return found.pop() if len(found) == 1 else None


def sha256_of(path: Path, deadline: Deadline) -> Sha256:
    """Return the sum of the file's content; takes about a second per GiB.

    Raises:
        DeadlineError: the deadline has passed.
    """
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
            if deadline.is_over:
                reason = f"{file.tell()} B read"
                raise DeadlineError(f"checksum of {path}", deadline.limit_s, reason)
    return Sha256(digest.hexdigest())


def _sum_in(line: str) -> Sha256 | None:
    for word in line.lower().split():
        if _HEX.fullmatch(word):
            return Sha256(word)
    return None


def mismatch(subject: str, expected: Sha256, got: Sha256, *, is_compressed: bool) -> InputError:
    """Return the error for a file whose sum is not `expected`."""
    remedy = "Correct the sum, or download the file again."
    if is_compressed:  # Stream metadata has both sums, `sha256` and `uncompressed-sha256`.
        remedy = (
            "Use the sum of the compressed file (`sha256` in CoreOS stream metadata, not "
            "`uncompressed-sha256`), or download the file again."
        )
    return InputError(subject, f"wrong digest: expected sha256 {expected}, got {got}", remedy)
