"""Commands as scripts and units name them, and the paths that they mean. Pure text.

Only folders that images fill are judged: files elsewhere may be made while a machine runs.
"""

from __future__ import annotations

import posixpath

FOLDERS = ("/usr/bin", "/usr/sbin", "/usr/libexec", "/usr/local/bin", "/usr/local/sbin")
"""Where an image keeps programs; /usr/libexec with its subfolders."""

FILE_FOLDERS = (
    "/etc", "/usr/lib/modules-load.d", "/usr/lib/sysctl.d", "/usr/lib/systemd",
    "/usr/lib/tmpfiles.d", "/usr/share/containers", "/usr/share/crio", "/usr/share/openvswitch",
)  # fmt: skip
"""Where the node layer keeps units and settings that others may use; with all subfolders."""

UNIT_FOLDERS = ("/usr/lib/systemd/system", "/etc/systemd/system")
"""Where an image keeps systemd's units."""
# Source: systemd.unit(5), the types of units that somebody starts by name.
_UNIT_TYPES = (".service", ".socket", ".target", ".timer", ".mount", ".path", ".slice", ".swap")

# Source: systemd, src/basic/path-util.h (DEFAULT_PATH), which is also sudo's in Fedora and RHEL.
_SEARCH_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin")
# Source: https://systemd.io/THE_CASE_FOR_THE_USR_MERGE
_MERGED = ("/bin/", "/sbin/")


def normal(path: str) -> str:
    """Return an absolute path without dots, and with /bin and /sbin below /usr."""
    clean = posixpath.normpath("/" + path.lstrip("/"))
    return f"/usr{clean}" if clean.startswith(_MERGED) else clean


def candidates(command: str) -> tuple[str, ...]:
    """Return the possible paths in an image of `command`, a name or an absolute path.

    Empty for a relative path or one outside of `FOLDERS`: they are not judged.
    """
    if not command.startswith("/"):
        return () if "/" in command else tuple(f"{folder}/{command}" for folder in _SEARCH_PATH)
    path = normal(command)
    return (path,) if is_program_path(path) else ()


def is_program_path(path: str) -> bool:
    """Return whether a `normal` path is where images keep programs."""
    folder = posixpath.dirname(path)
    return folder in FOLDERS or path.startswith("/usr/libexec/")


def is_unit(name: str) -> bool:
    """Return whether `name` is the name of a unit of systemd."""
    return name.endswith(_UNIT_TYPES) and "/" not in name


def same_command(one: str, other: str) -> bool:
    """Return whether two commands can mean one program, such as `oc` and `/bin/oc`."""
    return bool({*candidates(one)} & {*candidates(other)})


def is_layer_file(path: str) -> bool:
    """Return whether a normalized path is below one of `FILE_FOLDERS`."""
    return path.startswith(tuple(f"{folder}/" for folder in FILE_FOLDERS))
