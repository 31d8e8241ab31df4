"""What `node-image diff` reports: the images of each stream, and streams on one side only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from harness.contract.comparing.file_diff import FileChange
from harness.contract.comparing.image_diff import FieldChange, ImageDiff, Side
from harness.contract.document import Document
from harness.contract.package_diff import PackageChange
from harness.contract.reading.named_images import NamedImages
from harness.contract.sheet import Section
from harness.model.errors import InputError

PACKAGE_HEAD = ("change", "package", "architecture", "old", "new")
_FIELD_HEAD = ("field", "old", "new")
_FILE_HEAD = ("change", "path", "differs in")
_MOST_FILES = 200
_MOST_CHARACTERS = 80
_MIB = 1 << 20
Pair = tuple[str, str, str]


class Diff(Document, frozen=True, kw_only=True, tag="diff"):
    """Two images or releases; `streams_added` and `streams_removed` are on one side only."""

    old: str
    new: str
    images: tuple[ImageDiff, ...]
    streams_added: tuple[str, ...] = ()
    streams_removed: tuple[str, ...] = ()

    @property
    def is_different(self) -> bool:
        """Whether anything differs."""
        is_other = any(image.is_different for image in self.images)
        return is_other or bool(self.streams_added or self.streams_removed)


def document(
    old: NamedImages, new: NamedImages, diff_of: Callable[[str, str, str], ImageDiff]
) -> Diff:
    """Return what changed; `diff_of(stream, old, new)` compares two images.

    Raises:
        InputError: a release has several streams and the image beside it none of them, or what
            `diff_of` raises.
    """
    if not (old.is_release or new.is_release):
        pairs: list[Pair] = [("", *old.images.values(), *new.images.values())]  # type: ignore[list-item]
        return Diff(old=old.subject, new=new.subject, images=_all(pairs, diff_of))
    old, new = _beside(old, new), _beside(new, old)
    pairs = [
        (name, old.images[name], new.images[name]) for name in old.images if name in new.images
    ]
    return Diff(
        old=old.subject, new=new.subject, images=_all(pairs, diff_of),
        streams_added=tuple(sorted(new.images.keys() - old.images.keys())),
        streams_removed=tuple(sorted(old.images.keys() - new.images.keys())),
    )  # fmt: skip


def _all(
    pairs: Sequence[Pair], diff_of: Callable[[str, str, str], ImageDiff]
) -> tuple[ImageDiff, ...]:
    return tuple(diff_of(*pair) for pair in pairs)


def _beside(named: NamedImages, other: NamedImages) -> NamedImages:
    """Return the images of a release that can be compared; beside an image, one."""
    if other.is_release:
        if named.is_release or len(other.images) > 1:
            return named
        (stream,) = other.images
        return NamedImages(
            subject=named.subject, images={stream: next(iter(named.images.values()))}
        )
    if len(named.images) == 1:
        return named
    (stream,) = other.images
    if stream not in named.images:
        problem = f"a release with several streams ({', '.join(named.images)}) beside an image"
        raise InputError(named.subject, problem, "Choose a stream with --os-stream.")
    return named.of_stream(stream)


def sections(found: Diff) -> Iterator[Section]:
    """Yield what a reader gets, in parts."""
    for name in found.streams_added:
        yield Section(title=f"stream {name}", notes=("only in the new release",))
    for name in found.streams_removed:
        yield Section(title=f"stream {name}", notes=("only in the old release",))
    for image in found.images:
        yield from _image_sections(image)


def _image_sections(image: ImageDiff) -> Iterator[Section]:
    versions = f"{image.old.version or 'unknown'} to {image.new.version or 'unknown'}"
    title = f"stream {image.stream}: {versions}" if image.stream else versions
    sides = (("old", image.old), ("new", image.new))
    yield Section(
        title=title, notes=tuple(f"{name}: {side.subject} {side.digest}" for name, side in sides)
    )
    if not image.is_different:
        yield Section(notes=("no difference",))
        return
    rows = tuple(row for row in _overview(image) if row[1] != row[2])
    yield Section(title="image", head=_FIELD_HEAD, rows=rows)
    yield Section(
        title="packages", head=PACKAGE_HEAD, rows=tuple(map(package_row, image.packages)),
        notes=(counted(image.packages),),
    )  # fmt: skip
    if image.os_release is None:
        yield Section(notes=("os-release was not read",))
    yield Section(title="os-release", head=_FIELD_HEAD, rows=_rows(image.os_release or ()))
    yield Section(title="labels", head=_FIELD_HEAD, rows=_rows(image.labels))
    if image.files is not None:
        yield _files(image.files)


def _overview(image: ImageDiff) -> Iterator[tuple[str, str, str]]:
    old, new = image.old, image.new
    yield "openshift", old.openshift or "-", new.openshift or "-"
    yield "stream", old.stream or "-", new.stream or "-"
    yield "kernel", old.kernel or "-", new.kernel or "-"
    yield "size", _mib(old), _mib(new)
    if image.has_other_layers:
        yield "layers", _layers(old, image), _layers(new, image)
    yield "packages", str(old.packages), str(new.packages)


def package_row(change: PackageChange) -> tuple[str, ...]:
    """Return the cells under `PACKAGE_HEAD`."""
    old, new = (", ".join(evrs) or "-" for evrs in (change.old, change.new))
    return str(change.change), change.name, change.arch, old, new


def counted(changes: Sequence[PackageChange]) -> str:
    """Return `2 upgraded, 1 added`, or `no change`."""
    counts = Counter(str(change.change) for change in changes)
    return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "no change"


def _rows(changes: Sequence[FieldChange]) -> tuple[tuple[str, ...], ...]:
    return tuple((each.name, _short(each.old), _short(each.new)) for each in changes)


def _files(changes: Sequence[FileChange]) -> Section:
    rows = tuple(
        (each.change, each.path, ", ".join(each.fields) or "-") for each in changes[:_MOST_FILES]
    )
    more = len(changes) - len(rows)
    notes = (f"and {more} more; all are in the JSON",) if more else ()
    notes = notes if changes else ("no file differs",)
    title = f"files: {len(changes)} changes"
    return Section(title=title, head=_FILE_HEAD, rows=rows, notes=notes)


def _short(value: str | None) -> str:
    text = "-" if value is None else value or '""'
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"


def _mib(side: Side) -> str:
    return f"{side.size_bytes / _MIB:.1f} MiB"


def _layers(side: Side, image: ImageDiff) -> str:
    return f"{side.layers}, {side.layers - image.common_layers} of its own"
