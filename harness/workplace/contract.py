"""Reads the images of contract tests, and judges rows on them. No machine starts.

Each image is read at its first use. What was read is cached by digest, for the next process too.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property, partial

from harness.contract.inspection import Depth, Inspection
from harness.contract.reading import files, release_images
from harness.contract.reading import inspect as reading
from harness.contract.reading.access import Access, answers_of_user
from harness.images.reference import parse as parse_reference
from harness.model.clock import Deadline
from harness.model.errors import InputError, ProductError, RigError
from harness.verdict.contract.image_set import ImageSet, NotJudged, ReleaseTag, Role
from harness.verdict.contract.judge import judge
from harness.verdict.contract_rows import ContractRow
from harness.verdict.expectations import Expectations
from harness.verdict.findings import Finding
from harness.verdict.rows import Row
from harness.waiting import WaitReporter
from harness.workplace.preparation import Preparation

READ_S = 1800.0
_STAND_INS = ("io.node-image.stand-in", "io.node-image.small-stand-in")
_DEEP = (Role.NODE, Role.BASE, Role.BOOTIMAGE)
Inspect = Callable[[str, Depth, Access, Deadline], Inspection]


@dataclass(frozen=True, slots=True, kw_only=True)
class Readers:
    """What reads images; tests give their own."""

    inspect: Inspect = reading.inspect
    verify: Callable[[Inspection, Inspection], tuple[str, ...]] = reading.verify
    existing_paths: Callable[..., frozenset[str]] = files.existing_paths


class ContractImages:
    """The images under test and the table for them; `close` releases cached files."""

    def __init__(
        self,
        preparation: Preparation,
        report: Callable[[str], None],
        today: datetime.date,
        readers: Readers | None = None,
    ) -> None:
        self._today = today
        self._ready = preparation
        self._settings = preparation.settings
        self._report = WaitReporter.of(report)
        self._readers = readers or Readers()
        self._unreadable: dict[Role, RigError] = {}
        self._held = ExitStack()

    @property
    def expectations(self) -> Expectations:
        """The table by which the images are judged."""
        return self._ready.expectations

    def check(self) -> None:
        """Check what the user named, as far as that takes no large layer.

        An image that the release names, and that cannot be read, is an error of the rows about it.

        Raises:
            InputError: no node image was named, or an image cannot be found.
        """
        if not self._settings.has_node_image:
            remedy = (
                "Add --node-image or --release-image, or leave the tests out: -m 'not contract'."
            )
            raise InputError("contract tests", "no node image was given", remedy)
        _ = (self._ready.authfile, self.expectations)
        for role, subject in self._subjects.items():
            if role is Role.BOOTIMAGE:
                continue
            if role in self._released:
                self._tried(role, partial(self._quick, subject))
                continue
            parse_reference(subject)  # a path would be taken for a bootimage
            self._quick(subject)

    @cached_property
    def images(self) -> ImageSet:
        """Everything that the rows ask of the images.

        Raises:
            RigError: the node image cannot be read.
        """
        node = self._tried(Role.NODE, lambda: self._verified_node)
        if node is None:
            raise self._unreadable[Role.NODE]
        read: dict[Role, Inspection | None] = {
            role: self._tried(role, partial(self._read, role))
            for role in self._subjects if role is not Role.NODE
        }  # fmt: skip
        others: dict[Role, Inspection] = {
            role: image for role, image in read.items() if image is not None
        }
        release, unreadable_release = self._release()
        return ImageSet(
            node=node, others=others, files=self._files(node, others), release=release,
            unreadable=self._unreadable, unreadable_release=unreadable_release,
            known_deltas=self.expectations.known_deltas, today=self._today,
        )  # fmt: skip

    def judge(self, row: Row | ContractRow) -> NotJudged | None:
        """Check that `row` holds for the images; return the reason if it cannot be judged.

        Raises:
            ProductError: the row does not hold; the message is the finding.
            RigError: an image that the row is about cannot be read.
        """
        ocp = self.expectations.ocp or self._ready.node_image.claims.ocp_versions
        found = judge(row, self.images, ocp)
        if isinstance(found, Finding):
            raise ProductError(found.render())
        return found

    def provenance(self) -> dict[str, str]:
        """Return what is under test, as name and value; what was not read yet is left out."""
        return dict(self._provenance()) if self._settings.has_node_image else {}

    def close(self) -> None:
        """Release the cache's files; closing twice is fine."""
        self._held.close()

    @cached_property
    def _access(self) -> Access:
        cache = self._held.enter_context(answers_of_user(self._report))
        return Access(
            arch=self._settings.arch, authfile=self._settings.authfile, cache=cache,
            report=self._report,
        )  # fmt: skip

    @cached_property
    def _subjects(self) -> dict[Role, str]:
        """The references of the images that were given, or that the release names."""
        settings = self._settings
        given = {
            Role.NODE: str(self._ready.node_image.reference), Role.BASE: settings.base_image,
            Role.BOOTIMAGE: settings.bootimage,
            Role.EXTENSIONS: settings.extensions, Role.DRIVER_TOOLKIT: settings.driver_toolkit,
        }  # fmt: skip
        named = {role: f"docker://{spec}" for role, (_, spec) in self._released.items()}
        return named | {role: subject for role, subject in given.items() if subject is not None}

    @cached_property
    def _released(self) -> dict[Role, tuple[str, str]]:
        """Tag and pull spec of the images that the release names, and the user does not."""
        released, settings = self._ready.released, self._settings
        if released is None:
            return {}
        tags = {
            Role.EXTENSIONS: (settings.extensions, release_images.extensions_tag(released.tag)),
            Role.DRIVER_TOOLKIT: (
                settings.driver_toolkit, release_images.driver_toolkit_tag(released.tag)
            ),
        }  # fmt: skip
        return {
            role: (tag, released.specs[tag])
            for role, (given, tag) in tags.items() if given is None and tag in released.specs
        }  # fmt: skip

    def _tried(self, role: Role, read: Callable[[], Inspection]) -> Inspection | None:
        """Return the image, None if it cannot be read; it is tried once."""
        if role in self._unreadable:
            return None
        try:
            return read()
        except RigError as exc:
            self._unreadable[role] = _of_release(*self._released.get(role, ("", "")), exc)
            return None

    @cached_property
    def _verified_node(self) -> Inspection:
        """The node image by its database; its problems are also those of its metadata layers."""
        deep = self._read(Role.NODE)
        quick = self._quick(self._subjects[Role.NODE])
        problems = (*quick.problems, *deep.problems, *self._readers.verify(quick, deep))
        return replace(deep, problems=tuple(dict.fromkeys(problems)))

    def _read(self, role: Role) -> Inspection:
        subject = self._subjects[role]
        if role is Role.BOOTIMAGE:
            subject = str(self._ready.bootimage.path)  # fetched, verified and unpacked
        with self._report.awaiting(f"reading the {role} {subject}"):
            return self._deep(subject) if role in _DEEP else self._quick(subject)

    def _quick(self, subject: str) -> Inspection:
        return self._readers.inspect(subject, Depth.QUICK, self._access, Deadline.after(READ_S))

    def _deep(self, subject: str) -> Inspection:
        return self._readers.inspect(subject, Depth.DEEP, self._access, Deadline.after(READ_S))

    def _files(
        self, node: Inspection, others: Mapping[Role, Inspection]
    ) -> dict[Role, frozenset[str]]:
        """Return which of the rows' paths are in node image and base."""
        images = {Role.NODE: node}
        if Role.BASE in others:
            images[Role.BASE] = others[Role.BASE]
        paths = self.expectations.paths_to_observe
        look = partial(self._readers.existing_paths, paths=paths, access=self._access)
        with self._report.awaiting("looking for files in the images"):
            return {
                role: look(image, deadline=Deadline.after(READ_S)) for role, image in images.items()
            }

    def _release(self) -> tuple[tuple[ReleaseTag, ...] | None, RigError | None]:
        """Return the images of CoreOS in the release, and an error if not all can be read."""
        released, tags = self._ready.released, []
        if released is None:
            return None, None
        with self._report.awaiting("reading the labels of the release's images"):
            for tag, spec in release_images.coreos_specs(released.specs):
                try:
                    labels = self._quick(f"docker://{spec}").labels
                except RigError as exc:
                    return None, _of_release(tag, spec, exc)
                tags.append(ReleaseTag(tag=tag, spec=spec, labels=labels))
        return tuple(tags), None

    def _provenance(self) -> Iterator[tuple[str, str]]:
        image = self._ready.node_image
        yield "node_image", str(image.reference)
        yield "node_image_digest", image.digest
        yield "node_image_version", image.version or "unknown"
        for role, subject in self._subjects.items():
            if role is not Role.NODE:
                yield str(role).replace(" ", "_"), subject
        yield "expectations", self.expectations.name
        if self.expectations.reason:
            yield "expectations_reason", self.expectations.reason
        is_stand_in = any(image.labels.get(label) == "true" for label in _STAND_INS)
        yield "stand_in", "yes" if is_stand_in else "no"


def _of_release(tag: str, spec: str, exc: RigError) -> RigError:
    """Return the error of an image, with its tag if the release names it."""
    if not tag:
        return exc
    return RigError(f"{tag} of the release, docker://{spec}", exc.problem, exc.remedy)
