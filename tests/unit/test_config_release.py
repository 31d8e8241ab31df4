"""The release of the installer's config is compared with what is under test, before a boot."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from scenario_fakes import NO_LABELS

from harness.images.container.node_image import NodeImage
from harness.images.reference import parse
from harness.model.errors import InputError, RigError
from harness.workplace.config_release import compared

RELEASE = "quay.example/release@sha256:" + "a" * 64
OTHER = "mirror.example/release@sha256:" + "b" * 64
NODE, LIST, ELSE = (f"sha256:{letter * 64}" for letter in "123")
IMAGE = NodeImage(
    reference=parse(f"docker://quay.example/node@{NODE}"), digest=NODE, labels=NO_LABELS,
    layers=(), list_digest=LIST,
)  # fmt: skip


def names(*digests: str, fails: bool = False) -> Callable[[str], Iterator[str]]:
    def digests_in(_: str) -> Iterator[str]:
        yield from digests
        if fails:
            raise RigError("quay.example", "unauthorized", "Add --authfile.")

    return digests_in


@pytest.mark.parametrize(
    "given",
    [
        f"docker://{RELEASE}",
        # A mirror has the same digest under another name.
        "docker://mirror.example/x@sha256:" + "a" * 64,
        "oci:/layout@sha256:" + "a" * 64,
    ],
)
def test_same_release_is_not_read_again(given: str) -> None:
    assert compared(RELEASE, IMAGE, given, names(fails=True)).endswith("as --release-image")


def test_same_tag_is_the_same_release() -> None:
    tagged = "quay.example/release:4.21.3"

    assert compared(tagged, IMAGE, f"docker://{tagged}", names()).endswith("as --release-image")


@pytest.mark.parametrize("digests", [(NODE,), (LIST,), (ELSE, NODE)])
@pytest.mark.parametrize("given", ["", f"docker://{OTHER}"])
def test_other_release_with_the_same_node_image_is_fine(
    given: str, digests: tuple[str, ...]
) -> None:
    assert "with the node image under test" in compared(RELEASE, IMAGE, given, names(*digests))


@pytest.mark.parametrize(
    ("given", "subject"), [("", "--node-image"), (f"docker://{OTHER}", "--release-image")]
)
def test_config_that_installs_another_node_image_is_refused(given: str, subject: str) -> None:
    with pytest.raises(InputError) as caught:
        compared(RELEASE, IMAGE, given, names(ELSE, ELSE))

    assert caught.value.subject == subject
    assert NODE in caught.value.problem
    assert f"installs {RELEASE}, whose node image is {ELSE}" in caught.value.problem
    assert f"--release-image docker://{RELEASE}" in caught.value.remedy


@pytest.mark.parametrize("digests", [(), (ELSE,)])
def test_release_that_cannot_be_read_here_is_left_to_the_row(digests: tuple[str, ...]) -> None:
    said = compared(RELEASE, IMAGE, f"docker://{OTHER}", names(*digests, fails=True))

    assert said.startswith(f"{RELEASE}, which cannot be read here (quay.example: unauthorized.")
    assert "the config decides" in said
    assert "node-image-is-taken" in said


def test_release_in_a_registry_of_this_host_is_not_asked_for_by_its_guest_name() -> None:
    release = "10.0.2.2:5443/release@sha256:" + "a" * 64

    assert "the config decides" in compared(release, IMAGE, "", names(ELSE))
