"""Reads two node images whole, each layer once, and compares them by reviewed rules."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from harness import temporary
from harness.contract import package_diff
from harness.contract.comparing.file_diff import compare
from harness.contract.inspection import Depth, Inspection
from harness.contract.proof.equivalence import Equivalence, explain, text_paths, written
from harness.contract.proof.equivalence_rules import Rule
from harness.contract.reading.access import Access
from harness.contract.reading.inspect import inspect, open_image, squashed
from harness.contract.reading.layer_search import Search
from harness.contract.reading.tree import Tree
from harness.model.clock import Deadline
from harness.model.errors import InputError

_MAX_TEXT_BYTES = 1 << 20


def prove(
    legacy: str, layered: str, rules: Sequence[Rule], access: Access, deadline: Deadline
) -> Equivalence:
    """Return how the contents of two images differ, and what of it the rules explain.

    Raises:
        InputError: an image cannot be read, or has no files.
        DeadlineError: the time is over.
    """
    subjects = (legacy, layered)
    old, new = (inspect(subject, Depth.DEEP, access, deadline) for subject in subjects)
    was, now = _trees(subjects, access, deadline)
    changes = compare(was.entries(), now.entries())
    paths = text_paths(changes, rules)
    sides = [_texts(subject, paths, access, deadline) if paths else {} for subject in subjects]
    texts = {path: (sides[0][path], sides[1][path]) for path in sides[0].keys() & sides[1].keys()}
    differences, explained, unused = explain(changes, rules, texts)
    odd = set(was.problems) ^ set(now.problems)
    return Equivalence(
        legacy=f"{legacy} {old.digest}", layered=f"{layered} {new.digest}",
        paths=max(len(was), len(now)), differences=differences, packages=_packages(old, new),
        odd=tuple(sorted(map(written, odd))),
        odd_in_both=tuple(sorted(map(written, set(was.problems) - odd))),
        explained=explained, unused_rules=unused,
    )  # fmt: skip


def _trees(subjects: tuple[str, str], access: Access, deadline: Deadline) -> tuple[Tree, Tree]:
    # Decompression and sums let other threads run.
    with ThreadPoolExecutor(max_workers=2) as pool:
        was, now = pool.map(lambda subject: _tree(subject, access, deadline), subjects)
    return was, now


def _tree(subject: str, access: Access, deadline: Deadline) -> Tree:
    with open_image(subject, access, deadline) as reader:
        tree = squashed(reader, deadline)
    if len(tree) == 0:
        raise InputError(subject, "an image without files", "Name a node image.")
    return tree


def _texts(
    subject: str, paths: frozenset[str], access: Access, deadline: Deadline
) -> dict[str, str]:
    """Return the contents of the paths that the image has as files."""
    with (
        temporary.folder() as folder,
        open_image(subject, access, deadline) as reader,
    ):
        search = Search(
            reader=reader, folder=folder, limit_bytes=_MAX_TEXT_BYTES, deadline=deadline
        )
        search.find(paths, range(len(reader.layers))[::-1])
        found = {path: search.get(path) for path in paths}
        return {
            path: one.content.read_text(encoding="utf-8", errors="surrogateescape")
            for path, one in found.items()
            if one is not None
        }


def _packages(old: Inspection, new: Inspection) -> tuple[package_diff.PackageChange, ...]:
    return package_diff.compare(old.packages or (), new.packages or ())
