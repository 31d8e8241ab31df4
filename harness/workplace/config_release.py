"""Whether the release of the installer's config has the node image under test.

The config decides which node image the machine takes: it names a release, and the release names the
image. A config of another release would boot an image that is not under test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from harness.images.acquire.cache import Cache
from harness.images.container import node_image, release
from harness.images.container.node_image import NodeImage
from harness.images.container.skopeo import Source
from harness.images.container.streams import StreamWish
from harness.model.clock import Deadline
from harness.model.errors import HarnessError, InputError
from harness.model.guest_network import HOST_IN_GUEST

_LIMIT_S = 120.0
_WINS = "the config decides which image the node takes, and the row node-image-is-taken compares it"


def compared(
    named: str, image: NodeImage, given: str, digests_of: Callable[[str], Iterable[str]]
) -> str:
    """Return in words how the release that the config `named` goes with `image` under test.

    `given` is the release of --release-image, empty without one. `digests_of` yields the digests of
    a release's node image, and may fetch it.

    Raises:
        InputError: the release has another node image.
    """
    if given and _is_same(named, given):
        return f"{named}, as --release-image"
    if named.startswith(f"{HOST_IN_GUEST}:"):
        return f"{named}, in a registry of this host; {_WINS}"
    found = []
    try:
        for digest in digests_of(named):
            if digest in {image.digest, image.list_digest} - {""}:
                return f"{named}, with the node image under test"
            found.append(digest)
    except HarnessError as exc:
        return f"{named}, which cannot be read here ({exc}); {_WINS}"
    raise InputError(
        "--release-image" if given else "--node-image",
        f"the node image under test is {image.digest}, but the config installs {named}, whose "
        f"node image is {found[0]}",
        f"Use --release-image docker://{named}, or a config of the installer of the release "
        "under test.",
    )  # fmt: skip


def digests_in(source: Source, wish: StreamWish, cache: Cache) -> Iterator[str]:
    """Yield the digests of the node image that a release names: as named, then of the own arch.

    Raises:
        InputError: the release or its node image cannot be read.
        DeadlineError: the registry takes too long.
    """
    limit = Deadline.after(_LIMIT_S)
    found = release.node_image_of(source, wish, cache, limit)
    yield found.reference.rest.rpartition("@")[2]
    yield node_image.resolve(replace(source, reference=found.reference), limit).digest


def _is_same(release: str, given: str) -> bool:
    """Return whether two references are one image: the same digest, or else the same text."""
    names = [text.removeprefix("docker://") for text in (release, given)]
    digests = [name.partition("@")[2] for name in names]
    return digests[0] == digests[1] if all(digests) else names[0] == names[1]
