"""What a pass over an image keeps of its contents."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path

import pytest

from harness.contract.reading.kept_contents import KeptContents
from harness.model.errors import InputError

DATABASE = b"SQLite format 3\0" + b"rows"
LOG = bytes.fromhex("377f0682") + b"frames"


def kept_in(folder: Path) -> KeptContents:
    return KeptContents(folder=folder, wanted=lambda path: path == "/etc/wanted", limit_bytes=5)


@pytest.mark.parametrize(
    ("path", "content", "is_kept"),
    [
        ("/etc/wanted", b"12345", True),
        ("/etc/wanted", b"123456", False),
        ("/etc/other", b"12345", False),
        ("/sysroot/ostree/object", DATABASE, True),
        ("/sysroot/ostree/object", LOG, True),
        ("/sysroot/ostree/object", b"x" + DATABASE, False),
        ("/etc/wanted", b"", True),
    ],
)
def test_small_wanted_files_and_databases_are_kept_by_their_sum(
    tmp_path: Path, path: str, content: bytes, *, is_kept: bool
) -> None:
    kept = kept_in(tmp_path)

    found = kept.digest_of(path, len(content), BytesIO(content))

    assert found == hashlib.sha256(content).hexdigest()
    file = kept.get(found)
    assert (file is not None) == is_kept
    assert file is None or file.read_bytes() == content


def test_what_databases_take_is_bounded(tmp_path: Path) -> None:
    kept = kept_in(tmp_path)

    said = kept.digest_of("/a", 2 << 30, BytesIO(DATABASE))
    more = kept.digest_of("/b", 1, BytesIO(LOG))

    assert kept.get(said)
    assert kept.get(more) is None
    assert kept.get("") is None


def test_a_folder_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    kept = kept_in(tmp_path / "gone")

    with pytest.raises(InputError, match="cannot be written: No such file or directory"):
        kept.digest_of("/etc/wanted", 1, BytesIO(b"1"))
