"""Temporary folders are removed by their process, or by the sweep if that was killed."""

from __future__ import annotations

import ast
import errno
import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from source_trees import nodes, trees

from harness import temporary
from harness.machine.ownership.sweep import sweep
from harness.model.errors import InputError

OTHER_USES = {
    "temporary.py": "the module itself",
    "folders.py": "asks where temporary folders are, and makes none",
    "images/container/image_proxy.py": "a file without a name, which the kernel removes",
    "rehearsal/rehearse.py": "a folder in one that the caller named, who keeps what is in it",
    "scenarios/flows/pivoting.py": "a folder in that of the run, which is removed with it",
}

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


def test_sweep_removes_a_folder_whose_process_died_before_it_was_named(
    tmp_path: Path, runs: Path
) -> None:
    unnamed = tmp_path / f"node-image-{os.getuid()}-new-abc"
    unnamed.mkdir(mode=0o700)

    assert sweep(runs, tmp_path) == (f"{unnamed} (0 processes ended)",)
    assert not unnamed.exists()


def test_folder_is_made_again_if_a_sweep_took_it_before_it_was_locked(
    tmp_path: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, made = tempfile.mkdtemp, list[str]()

    def swept_at_first(prefix: str, dir: Path) -> str:
        made.append(make(prefix=prefix, dir=dir))
        if len(made) == 1:
            assert len(sweep(runs, tmp_path)) == 1
        return made[-1]

    monkeypatch.setattr("tempfile.mkdtemp", swept_at_first)

    with temporary.folder(tmp_path) as folder:
        assert folder.is_dir()
        assert sweep(runs, tmp_path) == ()
    assert len(made) == 2
    assert [*tmp_path.iterdir()] == [runs]


def test_full_disk_is_an_error_that_names_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.mkdtemp", full)

    with pytest.raises(InputError) as caught, temporary.folder(tmp_path):
        pass

    assert str(caught.value) == (
        f"{tmp_path}: no temporary folder can be created: No space left on device. "
        "Free disk space and inodes there."
    )


def test_error_of_the_caller_is_not_called_one_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="own"), temporary.folder(tmp_path):
        raise OSError(errno.ENOSPC, "own")


def test_only_named_modules_make_temporary_files_by_themselves() -> None:
    found = {name for name, tree in trees().items() if uses_tempfile(tree)}

    assert sorted(found) == sorted(OTHER_USES)


@pytest.mark.parametrize("source", ["import tempfile", "from tempfile import mkdtemp as new"])
def test_use_of_tempfile_is_detected(source: str) -> None:
    assert uses_tempfile(ast.parse(f"def inside():\n    {source}"))
    assert not uses_tempfile(ast.parse("from harness import temporary"))


def uses_tempfile(tree: ast.Module) -> bool:
    names = [one.module for one in nodes(tree, ast.ImportFrom)]
    names += [name.name for one in nodes(tree, ast.Import) for name in one.names]
    return "tempfile" in names
