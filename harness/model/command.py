"""Commands as scripts and units name them, and where such a name leads. Pure text.

Only the folders that images fill are judged: what lies elsewhere may be made while a machine runs.
"""

from __future__ import annotations

import posixpath

FOLDERS = ("/usr/bin", "/usr/sbin", "/usr/libexec", "/usr/local/bin", "/usr/local/sbin")
"""Where an image keeps programs; /usr/libexec with its subfolders."""

# Source: systemd, src/basic/path-util.h (DEFAULT_PATH), which is also sudo's in Fedora and RHEL.
_SEARCH_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin")
# Source: https://systemd.io/THE_CASE_FOR_THE_USR_MERGE
_MERGED = ("/bin/", "/sbin/")


def normal(path: str) -> str:
    """Return an absolute path in one spelling: no dots, and /bin and /sbin below /usr."""
    clean = posixpath.normpath("/" + path.lstrip("/"))
    return f"/usr{clean}" if clean.startswith(_MERGED) else clean


def candidates(command: str) -> tuple[str, ...]:
    """Return the paths at which an image may have `command`, a name or an absolute path.

    Empty for what cannot be judged: a relative path, or one outside of `FOLDERS`.
    """
    if not command.startswith("/"):
        return () if "/" in command else tuple(f"{folder}/{command}" for folder in _SEARCH_PATH)
    path = normal(command)
    return (path,) if is_program_path(path) else ()


def is_program_path(path: str) -> bool:
    """Return whether a path, in its normal spelling, lies where images keep programs."""
    folder = posixpath.dirname(path)
    return folder in FOLDERS or path.startswith("/usr/libexec/")


def same_command(one: str, other: str) -> bool:
    """Return whether two spellings can mean the same program: `oc` and `/bin/oc` can."""
    return bool({*candidates(one)} & {*candidates(other)})
