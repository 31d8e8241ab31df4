"""Reads files that others made or named: only regular ones, only up to a size.

A link would lead out of a folder, a FIFO would wait for ever, and a device has no end; so can do a
file of the kernel, whose size is not known. Where a command reads its main input, it may be a pipe,
such as /dev/stdin or `<(…)`; that is bounded too.
"""

from __future__ import annotations

import errno
import io
import os
import select
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from harness.model.errors import InputError

MAX_TEXT_BYTES = 32 << 20
MAX_CONSOLE_BYTES = 256 << 20
_SILENCE_S = 60.0
_READ_BYTES = 1 << 20


def text(path: Path, remedy: str, *, limit_bytes: int = MAX_TEXT_BYTES, subject: str = "") -> str:
    """Return the UTF-8 text of a file that the user named; errors call it `subject` or its path.

    Raises:
        InputError: it cannot be read, is not a regular file, is not text, or is too large.
    """
    with _reported(subject or str(path), remedy):
        return read(path, limit_bytes).decode()


def text_or_pipe(
    path: Path, remedy: str, *, limit_bytes: int = MAX_TEXT_BYTES, errors: str = "strict",
    silence_s: float = _SILENCE_S,
) -> str:  # fmt: skip
    """Return the text of a file or pipe; a pipe must not be silent for longer than `silence_s`.

    Raises:
        InputError: as `text`; a pipe has no content, or its writer is silent.
    """
    with _reported(str(path), remedy):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if stat.S_ISFIFO(found.st_mode):
                return _piped(descriptor, limit_bytes, silence_s).decode(errors=errors)
            _require_regular(found, str(path))
            return _content(file, limit_bytes).decode(errors=errors)


def read(path: Path, limit_bytes: int) -> bytes:
    """Return the content of a file that the user named; links to it are followed.

    Raises:
        OSError: it cannot be read, is not a regular file, or is larger than `limit_bytes`.
    """
    with _opened(str(path), os.O_RDONLY) as file:
        return _content(file, limit_bytes)


def read_within(folder: Path, names: tuple[str, ...], limit_bytes: int) -> bytes:
    """Return the content of the file that `names` lead to from `folder`, one step each.

    Raises:
        OSError: as `read`; a name is not one of a file in its folder, or is a link.
    """
    with open_within(folder, *names) as file:
        return _content(file, limit_bytes)


def open_within(folder: Path, *names: str) -> BinaryIO:
    """Open the file that `names` lead to from `folder`; the caller closes it.

    Raises:
        OSError: as `read_within`.
    """
    *folders, last = names
    with ExitStack() as opened:
        at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        opened.callback(os.close, at)
        for name in folders:
            at = os.open(_step(name), os.O_RDONLY | os.O_DIRECTORY | _NO_LINK, dir_fd=at)
            opened.callback(os.close, at)
        return _opened(_step(last), os.O_RDONLY | os.O_NOFOLLOW, at)


def is_there(path: Path) -> bool:
    """Return whether something is at `path`; also if it cannot be seen: opening it reports that."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def require(path: Path) -> None:
    """Require that the file at `path` can be read; links to it are followed.

    Raises:
        OSError: it cannot be opened, or is not a regular file.
    """
    open_raw(path, follows_links=True).close()


def open_raw(path: Path, *, follows_links: bool) -> io.FileIO:
    """Open the file at `path`, unbuffered; the caller closes it.

    Raises:
        OSError: it cannot be opened, is not a regular file, or is a link that may not be followed.
    """
    return io.FileIO(_descriptor(str(path), os.O_RDONLY | (0 if follows_links else os.O_NOFOLLOW)))


_KERNELS = ("/proc", "/sys")
_NO_LINK = os.O_NOFOLLOW | os.O_CLOEXEC


def _step(name: str) -> str:
    if name in {"", ".", ".."} or "/" in name or "\0" in name:
        raise OSError(errno.EINVAL, "not the name of a file in a folder", name)
    return name


def _opened(name: str, flags: int, folder: int | None = None) -> BinaryIO:
    return os.fdopen(_descriptor(name, flags, folder), "rb")


def _descriptor(name: str, flags: int, folder: int | None = None) -> int:
    descriptor = os.open(name, flags | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        _require_regular(os.fstat(descriptor), name)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _require_regular(found: os.stat_result, name: str) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise OSError(errno.EISDIR, "a folder, not a regular file", name)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", name)
    if any(_is_device_of(found.st_dev, place) for place in _KERNELS):
        raise OSError(errno.EINVAL, "a file of the kernel", name)


def _is_device_of(device: int, place: str) -> bool:
    try:
        return Path(place).stat().st_dev == device
    except OSError:
        return False


def _content(file: BinaryIO, limit_bytes: int) -> bytes:
    content = file.read(limit_bytes + 1)
    _require_within(len(content), limit_bytes)
    return content


def _piped(descriptor: int, limit_bytes: int, silence_s: float) -> bytes:
    content = bytearray()
    while part := _next_part(descriptor, silence_s):
        content += part
        _require_within(len(content), limit_bytes)
    if not content:
        raise OSError(errno.ENODATA, "a pipe without content")
    return bytes(content)


def _next_part(descriptor: int, silence_s: float) -> bytes:
    """Return what a pipe has next; nothing if no process has it open to write."""
    try:
        return os.read(descriptor, _READ_BYTES)
    except BlockingIOError:
        ready = select.poll()  # select() knows only descriptors below 1024
        ready.register(descriptor, select.POLLIN)
        if not ready.poll(silence_s * 1000):
            problem = f"a pipe that was silent for {silence_s:.0f} s"
            raise OSError(errno.ETIMEDOUT, problem) from None
        return os.read(descriptor, _READ_BYTES)


def _require_within(size_bytes: int, limit_bytes: int) -> None:
    if size_bytes > limit_bytes:
        raise OSError(errno.EFBIG, f"larger than {limit_bytes >> 20} MiB")


@contextmanager
def _reported(subject: str, remedy: str) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as exc:
        raise InputError(subject, "cannot be read: not text", remedy) from exc
    except OSError as exc:
        raise InputError(subject, f"cannot be read: {exc.strerror}", remedy) from exc
    except ValueError as exc:  # a zero byte in the path
        raise InputError(subject, f"cannot be read: {exc}", remedy) from exc
