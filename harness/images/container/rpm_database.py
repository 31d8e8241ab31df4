"""Reads an image's rpm database, unpacked to a private folder, with the host's rpm.

rpm opens a database for writing, so it gets a copy. Only SQLite is read, the format since RHEL 9.
"""

from __future__ import annotations

from pathlib import Path

from harness import process
from harness.model.clock import Deadline
from harness.model.errors import InputError
from harness.model.escapes import printable

DATABASE = "rpmdb.sqlite"
LOG_SUFFIX = "-wal"
"""Of SQLite's write-ahead log, which images may have beside the database."""
FOLDERS = ("/usr/share/rpm", "/usr/lib/sysimage/rpm", "/var/lib/rpm")
"""Where it is in images: rpm-ostree's place first, then rpm's own, now and before RHEL 10."""


def query(folder: Path, form: str, subject: str, deadline: Deadline) -> str:
    """Return what `rpm -qa --qf form` prints of the database in `folder`.

    Raises:
        InputError: it is damaged; names `subject`.
        MissingProgramError: the host has no rpm.
        DeadlineError: the time is over.
    """
    # This host does not have the keys that signed the packages, and nothing is installed.
    words = ["rpm", f"--dbpath={folder}", "--define=_db_backend sqlite", "--nosignature"]
    words += ["--nodigest", "-qa", "--qf", form]
    done = process.run(words, deadline, check=False)
    if done.status or "error:" in done.stderr:  # rpm prints what it can read, and exits with 0
        said = next(iter(done.stderr.strip().splitlines()), "no reason given")
        problem = f"the rpm database cannot be read: {printable(said)}"
        raise InputError(subject, problem, "Check how the image was built.")
    return done.stdout
