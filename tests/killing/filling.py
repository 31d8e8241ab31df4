"""A run whose disks fill up while its machine boots: `python -m killing.filling BASE`.

First the artifacts have no space left, then the machine's disk. It prints what pytest prints, and
ends with its status. BASE is the folder of a room.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from killing import room as rooms
from killing.room import ROOT, VAR_TMP, Room

_SIZE = "5g"  # more than a run demands; it takes memory only for what is written
_ARTIFACTS_FULL_AT = re.compile(r": kernel took")
_DISK_FULL_AT = re.compile(r": switch to the real root took")
_LEFT_BYTES = 64 << 10
_TESTS = "tests/boot/test_node_image.py"


def main(base: Path) -> int:
    room = Room(base=base)
    for folder in (room.artifacts, room.cover_of(VAR_TMP)):
        _mount(f"size={_SIZE},mode=1777", folder)
    rooms.furnish(room)
    argv = (
        sys.executable, "-m", "pytest", _TESTS, "-k", "test_package", "-p", "no:cacheprovider",
        f"--artifacts-dir={room.artifacts}", f"--junitxml={room.home / 'junit.xml'}",
    )  # fmt: skip
    with subprocess.Popen(
        argv, env=room.env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as child:
        for line in child.stdout or ():
            sys.stdout.write(line)
            if _ARTIFACTS_FULL_AT.search(line):
                _fill(room.artifacts)
            if _DISK_FULL_AT.search(line):
                _fill(VAR_TMP)
    left = [str(path) for path in VAR_TMP.glob("node-image-*-run-*")]
    sys.stdout.write(f"left: {left}\n")
    # The mount goes with the room; the test reads the copy.
    shutil.copytree(room.artifacts, room.base / "kept", symlinks=True)
    return child.returncode


def _fill(folder: Path) -> None:
    """Leave nearly no space."""
    used = shutil.disk_usage(folder).used + _LEFT_BYTES
    _mount(f"remount,size={used}", folder)


def _mount(options: str, folder: Path) -> None:
    argv = ("mount", "--types", "tmpfs", "--options", options, "tmpfs", folder)
    subprocess.run(argv, check=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
