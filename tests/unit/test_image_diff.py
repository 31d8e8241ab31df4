"""Two inspected images are compared, alone or as the streams of two releases."""

from __future__ import annotations

from dataclasses import replace

import pytest
from contract_inspections import (
    IMAGES,
    NEW_9,
    NEW_10,
    OLD_9,
    OLD_10,
    REAL,
    alone,
    image,
    layer,
    release,
)  # fmt: skip
from contract_packages import changed, named, nevra

from harness.contract.comparing.diff_document import Diff, document, sections
from harness.contract.comparing.image_diff import FieldChange, ImageDiff, diff
from harness.contract.package_diff import Change
from harness.contract.reading.named_images import NamedImages
from harness.contract.sheet import markdown_of, table, text_of
from harness.model.errors import InputError


def test_an_image_does_not_differ_from_itself() -> None:
    found = diff(image(), image())

    assert not found.is_different
    assert (found.common_layers, found.old.packages) == (2, 504)


@pytest.mark.parametrize(
    "fields",
    [
        {"packages": REAL - {named(REAL, "bash")}}, {"os_release": {"VERSION_ID": "9.6"}},
        {"labels": {}}, {"kernel": "5.14.0-2.x86_64"}, {"layers": (layer(0),)},
        {"layers": (layer(0), layer(2))}, {"layers": (layer(0), layer(1), layer(2))},
    ],
    ids=lambda fields: next(iter(fields)),
)  # fmt: skip
def test_each_part_is_a_difference(fields: dict[str, object]) -> None:
    other = replace(image(), **fields)  # type: ignore[arg-type]  # by its fields

    assert diff(image(), other).is_different
    assert diff(other, image()).is_different


def test_parts_of_a_difference() -> None:
    newer = changed(REAL, "cri-o", version="1.99.0")
    found = diff(image(), image("9.6.20260410-0", newer))

    assert [change.change for change in found.packages] == [Change.UPGRADED]
    assert found.labels == (
        FieldChange(
            name="org.opencontainers.image.version", old="9.6.20260327-0", new="9.6.20260410-0"
        ),
    )
    assert found.os_release is not None
    assert [change.name for change in found.os_release] == ["OSTREE_VERSION"]
    assert (found.old.version, found.new.version) == ("9.6.20260327-0", "9.6.20260410-0")


def test_what_was_not_read_is_not_compared() -> None:
    quick = replace(image(), os_release=None)

    assert diff(quick, image()).os_release is None
    assert not diff(quick, image()).is_different
    with pytest.raises(InputError, match="no list of packages"):
        diff(image(), replace(image(), packages=None))


def test_images_for_two_architectures_are_refused() -> None:
    with pytest.raises(InputError, match="different architectures: amd64 and arm64"):
        diff(image(), replace(image(), architecture="arm64"))


def compared(old: NamedImages, new: NamedImages) -> Diff:
    def of_stream(stream: str, before: str, after: str) -> ImageDiff:
        return diff(IMAGES[before], IMAGES[after], stream=stream)

    return document(old, new, of_stream)


def test_streams_of_releases_are_compared_each_with_its_own() -> None:
    """`oc` takes the last tag with a machine-os."""
    found = compared(release(OLD_9, OLD_10), release(NEW_10, NEW_9))

    assert [each.stream for each in found.images] == ["rhel-9", "rhel-10"]
    assert [each.packages[0].change for each in found.images] == [
        Change.DOWNGRADED, Change.UPGRADED,
    ]  # fmt: skip


def test_a_stream_that_comes_or_goes_is_a_difference() -> None:
    """`oc` dereferences nothing at a tag that is new."""
    there = compared(release(OLD_9), release(OLD_9, NEW_10))
    back = compared(release(OLD_9, NEW_10), release(OLD_9))

    assert (there.streams_added, there.streams_removed) == (("rhel-10",), ())
    assert (back.streams_added, back.streams_removed) == ((), ("rhel-10",))
    assert there.is_different
    assert not there.images[0].is_different
    assert "stream rhel-10\nonly in the new release\n" in text_of(sections(there))


def test_an_image_is_compared_with_that_of_its_stream() -> None:
    found = compared(alone(OLD_10), release(NEW_9, NEW_10))

    assert [each.new.version for each in found.images] == ["10.2.20260405-0"]
    assert (found.streams_added, found.streams_removed) == ((), ())
    turned = compared(release(NEW_9, NEW_10), alone(OLD_10))
    assert [each.old.version for each in turned.images] == ["10.2.20260405-0"]


def test_an_image_without_a_stream_needs_the_choice_of_one() -> None:
    unnamed = NamedImages(subject="disk", images={"": OLD_9.subject})

    assert compared(unnamed, release(NEW_9)).images[0].new.version == "9.8.20260403-0"
    with pytest.raises(InputError, match="a release with several streams"):
        compared(unnamed, release(NEW_9, NEW_10))


def test_two_images_are_compared_whatever_their_streams() -> None:
    assert compared(alone(OLD_9), alone(NEW_10)).images[0].is_different


def test_the_report_names_each_change() -> None:
    kernels = REAL | {nevra("kernel-core", "4.18.0-372.99.1.el8_6")}
    IMAGES["docker://k"] = replace(image(listed=kernels), subject="docker://k")
    found = compared(alone(OLD_9), NamedImages(subject="k", images={"": "docker://k"}))

    text = text_of(sections(found))

    assert "added   kernel-core  x86_64        -    4.18.0-372.99.1.el8_6\n1 added\n" in text
    assert text.startswith(
        "9.6.20260327-0 to 9.6.20260327-0\nold: docker://a/9.6.20260327-0 sha256"
    )
    lines = markdown_of(sections(found)).splitlines()
    assert "| added | kernel-core | x86_64 | - | 4.18.0-372.99.1.el8_6 |" in lines
    assert "### packages" in lines
    same = compared(alone(OLD_9), alone(OLD_9))
    assert text_of(sections(same)).endswith("\nno difference\n")


def test_what_an_image_says_cannot_steer_the_terminal_or_the_page() -> None:
    label = "\x1b[2J<script>|\n# a"
    IMAGES["docker://h"] = replace(image(), subject="docker://h", labels={"a": label})
    found = compared(alone(OLD_9), NamedImages(subject="h", images={"": "docker://h"}))

    assert "\x1b" not in text_of(sections(found))
    assert "| a | - | \\<script\\>\\| \\# a |" in markdown_of(sections(found)).splitlines()


def test_one_wide_cell_does_not_widen_all_rows() -> None:
    rows = [(f"name {number}", "value") for number in range(300)]

    text = "\n".join(table(("name", "value"), [*rows, ("w" * 100_000, "value")]))

    assert "w" * 100_000 in text
    assert len(text) < 300_000
