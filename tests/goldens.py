"""Goldens: files of the repository that the code makes, and one option that makes them anew."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

import pytest

_OPTION = "--update-goldens"
_MOST_LINES = 60
_BEGIN, _END = "<!-- generated: begin -->\n", "<!-- generated: end -->\n"
_COMMAND = f"pytest tests/unit {_OPTION}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """Compares what the code made with the file that has it, or writes the file."""

    is_update: bool

    def __call__(self, path: Path, made: str | bytes) -> None:
        """Fail with the difference if `path` has something else than `made`."""
        content = made.encode() if isinstance(made, str) else made
        kept = path.read_bytes() if path.exists() else None
        if kept == content:
            return
        if not self.is_update:
            message = f"{path} differs from what the code makes; update it by: {_COMMAND}"
            pytest.fail(f"{message}\n{_difference(kept, content)}", pytrace=False)
        path.write_bytes(content)

    def part(self, path: Path, made: str) -> None:
        """Compare only what is between the two marks in `path`."""
        before, _, rest = path.read_text(encoding="utf-8").partition(_BEGIN)
        _, end, after = rest.partition(_END)
        assert end, f"{path}: the marks {_BEGIN!r} and {_END!r} are missing"
        self(path, f"{before}{_BEGIN}{made}{_END}{after}")


def _difference(kept: bytes | None, made: bytes) -> str:
    if kept is None:
        return "the file is missing"
    try:
        before, after = kept.decode().splitlines(), made.decode().splitlines()
    except UnicodeDecodeError:
        return f"{len(kept)} bytes in the file, {len(made)} bytes made"
    lines = list(difflib.unified_diff(before, after, "the file", "made", lineterm=""))
    more = [f"... {len(lines) - _MOST_LINES} more lines"] if len(lines) > _MOST_LINES else []
    # Of two texts that differ in their line ends alone no line differs.
    return "\n".join((*lines[:_MOST_LINES], *more)) or "they differ in line ends"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        _OPTION, action="store_true", help="write the files that tests compare with what is made"
    )


@pytest.fixture(scope="session")
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares a file of the repository with what the code makes of it."""
    return Golden(is_update=bool(request.config.getoption(_OPTION)))
