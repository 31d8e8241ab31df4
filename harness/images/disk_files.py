"""Reads files of a disk image without root, and without booting or mounting it.

GRUB's own drivers read XFS, `debugfs` ext4. Paths come from this code and from names that it has
checked: debugfs takes a line of commands.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import process, temporary
from harness.images.acquire.disk_format import DiskFormat
from harness.images.bootimage import BootImage
from harness.images.disk_partitions import FileSystem, Partition, partitions
from harness.model.clock import Deadline
from harness.model.errors import InputError
from harness.model.escapes import printable

_GRUB = ("grub-fstest", "grub2-fstest")  # Debian's name, Fedora's name
_PATH = re.compile(r"[A-Za-z0-9._+/-]+")
_LISTED = re.compile(r"/\d+/\d+/\d+/\d+/(?P<name>[^/]+)/(?P<size>\d*)/")
_MAX_BYTES = 1 << 30
_MAX_LINKS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFiles:
    """The files of one partition of a raw disk image; errors call the image `subject`."""

    disk: Path
    partition: Partition
    subject: str
    deadline: Deadline

    def names(self, folder: str) -> tuple[str, ...]:
        """Return the plain names in a folder; empty if it is missing."""
        return tuple(name for name in self._sizes(folder) if _PATH.fullmatch(name))

    def copy(self, path: str, target: Path) -> bool:
        """Copy a file to `target`, with links followed, and return whether there is one.

        Raises:
            InputError: it is implausibly large, or the file system is damaged.
            DeadlineError: the time is over.
        """
        if not _PATH.fullmatch(path):
            return False
        if self.partition.file_system is FileSystem.XFS:
            self._grub("-n", str(_MAX_BYTES), "cp", f"{self._device}{path}", str(target))
        else:
            self._copy_ext4(path, target)
        if target.exists() and target.stat().st_size >= _MAX_BYTES:
            problem = f"{path} has more than {_MAX_BYTES >> 30} GiB"
            raise InputError(self.subject, problem, "Check the image.")
        if target.exists() and not target.stat().st_size:
            target.unlink()  # of a file that is missing
        return target.exists()

    @property
    def _device(self) -> str:
        return f"(loop0,gpt{self.partition.number})"

    def _sizes(self, folder: str) -> dict[str, int]:
        if self.partition.file_system is FileSystem.XFS:
            listed = self._grub("ls", f"{self._device}{folder}/").split()
            return dict.fromkeys((name.rstrip("/") for name in listed), 0)
        found = _LISTED.finditer(self._debugfs(f"ls -p {folder}"))
        return {one["name"]: int(one["size"] or 0) for one in found}

    def _copy_ext4(self, path: str, target: Path) -> None:
        for _ in range(_MAX_LINKS):
            folder, _, name = path.rpartition("/")
            if self._sizes(folder).get(name, 0) >= _MAX_BYTES:
                raise InputError(self.subject, f"{path} is too large", "Check the image.")
            link = re.search(r'Fast link dest: "([^"]*)"', self._debugfs(f"stat {path}"))
            if link is None:
                self._debugfs(f"dump {path} {target}")
                return
            path = f"{folder}/{link[1]}" if not link[1].startswith("/") else link[1]
            if not _PATH.fullmatch(path):
                return

    def _grub(self, *words: str) -> str:
        program = next((name for name in _GRUB if shutil.which(name)), _GRUB[0])
        done = process.run([program, str(self.disk), *words], self.deadline, check=False)
        if done.status and "not found" not in done.stderr:
            raise self._unreadable(done.stderr)
        return done.stdout if not done.status else ""

    def _debugfs(self, command: str) -> str:
        where = f"{self.disk}?offset={self.partition.offset_bytes}"
        done = process.run(["debugfs", "-R", command, where], self.deadline, check=False)
        said = done.stderr.partition("\n")[2]  # the first line is its version
        if done.status or "Filesystem not open" in said:
            raise self._unreadable(said)
        return done.stdout

    def _unreadable(self, said: str) -> InputError:
        line = next(iter(said.strip().splitlines()), "no reason given")
        problem = f"its {self.partition.file_system} file system cannot be read: {printable(line)}"
        return InputError(self.subject, problem, "Download the image again.")


@contextmanager
def root_files(image: BootImage, deadline: Deadline) -> Iterator[DiskFiles]:
    """Provide the files of the root partition of a bootimage, by a raw copy if needed.

    Raises:
        InputError: it has no root partition with XFS or ext4.
        MissingProgramError: the host lacks a program.
        DeadlineError: the time is over.
    """
    with temporary.folder() as folder:
        disk = _raw(image, folder, deadline)
        found = partitions(disk, image.origin)
        roots = [one for one in found if one.file_system and one.name == "root"]
        roots = roots or [one for one in found if one.file_system and one.name != "boot"]
        if not roots:
            problem = "no partition `root` with XFS or ext4: it may be encrypted, or not CoreOS"
            raise InputError(image.origin, problem, "Use a CoreOS disk image without encryption.")
        files = DiskFiles(disk=disk, partition=roots[0], subject=image.origin, deadline=deadline)
        if not files.names(""):  # grub-fstest lists what it cannot read as empty
            problem = f"its {roots[0].file_system} file system is damaged or empty"
            raise InputError(image.origin, problem, "Download the image again.")
        yield files


def _raw(image: BootImage, folder: Path, deadline: Deadline) -> Path:
    if image.format is DiskFormat.RAW:
        return image.path.absolute()
    disk = folder / "disk.raw"
    words = ["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(image.path.absolute())]
    done = process.run([*words, str(disk)], deadline, check=False)
    if done.status:
        problem = f"cannot be unpacked to {folder.parent}: {printable(done.stderr.strip())}"
        raise InputError(image.origin, problem, "Free disk space, or download the image again.")
    return disk
