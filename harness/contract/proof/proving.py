"""Reads two node images whole, each layer once, and compares them by reviewed rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from harness import temporary
from harness.contract import package_diff
from harness.contract.comparing.file_diff import compare
from harness.contract.inspection import Depth
from harness.contract.proof.equivalence import Equivalence, explain, text_paths, written
from harness.contract.proof.equivalence_rules import Rule
from harness.contract.reading.access import Access
from harness.contract.reading.deep import query_packages
from harness.contract.reading.files import followed
from harness.contract.reading.inspect import inspect, open_image, squashed
from harness.contract.reading.kept_contents import KeptContents
from harness.contract.reading.layer_search import Search
from harness.contract.reading.tree import Tree
from harness.images.container.rpm_database import DATABASE, FOLDERS, LOG_SUFFIX
from harness.model.clock import Deadline
from harness.model.errors import InputError
from harness.model.packages.nevra import Nevra

_MAX_TEXT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One image, read whole; `kept` has the contents that rules and rpm may ask for."""

    subject: str
    digest: str
    tree: Tree
    kept: KeptContents

    def content(self, path: str) -> Path | None:
        """Return the content at a path, None if it was not kept."""
        entry = self.tree.get(followed(self.tree, path) or "")
        return self.kept.get(entry.digest) if entry else None


def prove(
    legacy: str, layered: str, rules: Sequence[Rule], access: Access, deadline: Deadline
) -> Equivalence:
    """Return how the contents of two images differ, and what of it the rules explain.

    Raises:
        InputError: an image cannot be read, or has no files.
        DeadlineError: the time is over.
    """
    with ExitStack() as folders:
        read = _reading(rules, lambda: folders.enter_context(temporary.folder()), access, deadline)
        # Decompression and sums let other threads run.
        with ThreadPoolExecutor(max_workers=2) as pool:
            old, new = pool.map(read, (legacy, layered))
        changes = compare(old.tree.entries(), new.tree.entries())
        paths = text_paths(changes, rules)
        texts = [_texts(side, paths, access, deadline) for side in (old, new)]
        packages = [_packages(side, access, deadline) for side in (old, new)]
    both = {path: (texts[0][path], texts[1][path]) for path in texts[0].keys() & texts[1].keys()}
    differences, explained, unused = explain(changes, rules, both)
    odd = set(old.tree.problems) ^ set(new.tree.problems)
    return Equivalence(
        legacy=f"{legacy} {old.digest}", layered=f"{layered} {new.digest}",
        paths=max(len(old.tree), len(new.tree)), differences=differences,
        packages=package_diff.compare(*packages),
        odd=tuple(sorted(map(written, odd))),
        odd_in_both=tuple(sorted(map(written, set(old.tree.problems) - odd))),
        explained=explained, unused_rules=unused,
    )  # fmt: skip


def _reading(
    rules: Sequence[Rule], folder: Callable[[], Path], access: Access, deadline: Deadline
) -> Callable[[str], _Side]:
    of_lines = [rule for rule in rules if rule.lines]

    def is_wanted(path: str) -> bool:
        return any(rule.covers(path) for rule in of_lines)

    def read(subject: str) -> _Side:
        kept = KeptContents(folder=folder(), wanted=is_wanted, limit_bytes=_MAX_TEXT_BYTES)
        with open_image(subject, access, deadline) as reader:
            tree = squashed(reader, deadline, kept)
        if len(tree) == 0:
            raise InputError(subject, "an image without files", "Name a node image.")
        return _Side(subject=subject, digest=reader.digest, tree=tree, kept=kept)

    return read


def _texts(
    side: _Side, paths: frozenset[str], access: Access, deadline: Deadline
) -> dict[str, str]:
    """Return the contents of the paths that the image has as files."""
    known = {path: content for path in paths if (content := side.content(path))}
    with temporary.folder() as folder:
        left = paths - known.keys()
        found = known | (_searched(side.subject, left, folder, access, deadline) if left else {})
        return {
            path: content.read_text(encoding="utf-8", errors="surrogateescape")
            for path, content in found.items()
        }


def _searched(
    subject: str, paths: Iterable[str], folder: Path, access: Access, deadline: Deadline
) -> dict[str, Path]:
    """Return what was not kept, such as the object of ostree that a path is a hard link to."""
    wanted = frozenset(paths)
    with open_image(subject, access, deadline) as reader:
        search = Search(
            reader=reader, folder=folder, limit_bytes=_MAX_TEXT_BYTES, deadline=deadline
        )
        search.find(wanted, range(len(reader.layers))[::-1])
    return {path: one.content for path in wanted if (one := search.get(path)) is not None}


def _packages(side: _Side, access: Access, deadline: Deadline) -> frozenset[Nevra]:
    paths = (f"{folder}/{DATABASE}" for folder in FOLDERS)
    path = next((path for path in paths if followed(side.tree, path)), None)
    database = side.content(path) if path else None
    log = side.tree.get(followed(side.tree, f"{path}{LOG_SUFFIX}") or "")
    if path is None or database is None or log is not None:
        found = inspect(side.subject, Depth.DEEP, access, deadline)
        return found.packages or frozenset()
    with temporary.folder() as folder:
        (folder / DATABASE).hardlink_to(database)
        return query_packages(folder, f"{side.subject}, {path}", deadline)
