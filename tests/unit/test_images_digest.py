from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from images_fakes import deadline

from harness.images.acquire.digest import parse_sha256, parse_sums, sha256_of
from harness.model.errors import InputError

A, B = "a" * 64, "b" * 64


def test_case_blanks_and_prefix_do_not_matter() -> None:
    assert parse_sha256(f" sha256:{A.upper()}\n") == A


@pytest.mark.parametrize("text", ["", "a" * 63, "g" * 64, f"sha512:{A}"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="64 hexadecimal digits"):
        parse_sha256(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (A, A),
        (f"{A}  other-name.qcow2\n", A),
        (f"{B}  x.raw\n{A} *disk.qcow2\n", A),
        (f"{B}  x.raw\n{A}  ./disk.qcow2\n", A),
        (f"SHA256 (x.raw) = {B}\nSHA256 (disk.qcow2) = {A}\n", A),
        (f"{B}  x.raw\n{A}  y.raw\n", None),
        (f"{B}  disk.qcow2\n{A}  disk.qcow2\n", None),
        ("<html>not found</html>", None),
        ("", None),
    ],
)
def test_a_sums_file_gives_the_sum_of_the_named_file(text: str, expected: str | None) -> None:
    assert parse_sums(text, "disk.qcow2") == expected


def test_a_file_is_summed(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"content")

    assert sha256_of(tmp_path / "x", deadline()) == hashlib.sha256(b"content").hexdigest()
