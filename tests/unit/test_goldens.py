"""A golden fails with its difference and the way to update it, and is written when asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from goldens import Golden

CHECK = Golden(is_update=False)
UPDATE = Golden(is_update=True)


@pytest.mark.parametrize("made", ["a\nb\n", "é".encode(), b"\xff\x00"])
def test_file_that_has_what_is_made_passes(made: str | bytes, tmp_path: Path) -> None:
    path = tmp_path / "golden"
    path.write_bytes(made.encode() if isinstance(made, str) else made)

    CHECK(path, made)


@pytest.mark.parametrize(
    ("kept", "made", "message"),
    [
        (b"same\nold\n", "same\nnew\n", "\n same\n-old\n+new"),
        (b"\xff", b"\xfe\xfe", "\n1 bytes in the file, 2 bytes made"),
        (None, "new", "\nthe file is missing"),
        (b"same", "same\n", "\nthey differ in line ends"),
        (b"", "new\n" * 100, "\n+new\n... 43 more lines"),
    ],
)
def test_difference_is_reported_with_the_command_and_the_file_is_kept(
    kept: bytes | None, made: str | bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "golden"
    if kept is not None:
        path.write_bytes(kept)

    with pytest.raises(pytest.fail.Exception) as caught:
        CHECK(path, made)

    assert f"{path} differs from what the code makes" in str(caught.value)
    assert "update it by: pytest tests/unit --update-goldens\n" in str(caught.value)
    assert message in str(caught.value)
    assert (path.read_bytes() if path.exists() else None) == kept


@pytest.mark.parametrize("kept", [b"old\n", None])
def test_update_writes_what_is_made(kept: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "golden"
    if kept is not None:
        path.write_bytes(kept)

    UPDATE(path, "new\n")

    assert path.read_text() == "new\n"


def test_part_of_a_file_is_written_between_its_marks(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    begin, end = "<!-- generated: begin -->\n", "<!-- generated: end -->\n"
    path.write_text(f"before\n{begin}old\n{end}after\n")

    UPDATE.part(path, "new\n")

    assert path.read_text() == f"before\n{begin}new\n{end}after\n"


def test_part_of_a_file_without_marks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("before\n")

    with pytest.raises(AssertionError, match="are missing"):
        UPDATE.part(path, "new\n")
