"""Temporary folders are removed by their process, or by the sweep if that was killed."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from harness import temporary
from harness.machine.ownership.sweep import sweep

OWNER = """
import subprocess, sys
from pathlib import Path
from harness import temporary
with temporary.folder(Path(sys.argv[1])) as folder:
    argv = [sys.executable, "-c", "import signal; signal.pause()", f"--tmpdir={folder}/"]
    child = subprocess.Popen(argv, start_new_session=True, stdout=subprocess.DEVNULL)
    (folder / "blob").write_bytes(b"x" * 9000)
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    (tmp_path / "runs").mkdir(mode=0o700)
    return tmp_path / "runs"


def test_folder_is_private_and_gone_at_the_end(tmp_path: Path) -> None:
    with temporary.folder(tmp_path) as folder:
        (folder / "file").touch()
        assert folder.parent == tmp_path
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    assert list(tmp_path.iterdir()) == []


def test_folder_is_gone_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="x"), temporary.folder(tmp_path):
        raise ValueError("x")

    assert list(tmp_path.iterdir()) == []


def test_unusable_place_is_replaced_by_the_folder_of_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    with temporary.folder(tmp_path / "missing") as folder:
        assert folder.parent.parent == tmp_path


def test_sweep_leaves_what_is_used_and_what_others_made(tmp_path: Path, runs: Path) -> None:
    (tmp_path / "node-image-other").mkdir()
    with temporary.folder(tmp_path) as folder:
        (tmp_path / folder.name.replace("-tmp-", "-tmp-link")).symlink_to("/etc")

        assert sweep(runs, tmp_path) == ()
        assert folder.exists()


def test_sweep_removes_what_a_killed_process_left(tmp_path: Path, runs: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with owner:
        assert owner.stdout is not None
        folder = Path(owner.stdout.readline().strip())
        assert sweep(runs, tmp_path) == ()
        owner.send_signal(signal.SIGKILL)

    assert (folder / "blob").exists()
    assert sweep(runs, tmp_path) == (f"{folder} (1 processes ended)",)
    assert not folder.exists()
