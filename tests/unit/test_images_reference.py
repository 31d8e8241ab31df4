from __future__ import annotations

import pytest

from harness.images.reference import Transport, parse
from harness.model.errors import InputError


@pytest.mark.parametrize(
    ("text", "transport", "rest"),
    [
        ("docker://registry.example/a/b:4.19", Transport.DOCKER, "registry.example/a/b:4.19"),
        ("oci:/srv/layout:tag", Transport.OCI, "/srv/layout:tag"),
        ("oci-archive:/srv/my image.tar", Transport.OCI_ARCHIVE, "/srv/my image.tar"),
        ("containers-storage:[vfs@/a+/b]x:1", Transport.CONTAINERS_STORAGE, "[vfs@/a+/b]x:1"),
        ("dir:./x", Transport.DIR, "./x"),
        ("docker-archive:x.tar:n:t", Transport.DOCKER_ARCHIVE, "x.tar:n:t"),
    ],
)
def test_every_transport_is_parsed_and_spelled_back(
    text: str, transport: Transport, rest: str
) -> None:
    reference = parse(text)

    assert (reference.transport, reference.rest) == (transport, rest)
    assert str(reference) == text


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("registry.example/a/b:4.19", "docker://registry.example/a/b:4.19"),
        ("localhost:5000/a", "docker://localhost:5000/a"),
        ("https://registry.example/a/b", "docker://registry.example/a/b"),
        ("docker:registry.example/a/b", "docker://registry.example/a/b"),
        ("/srv/image.tar", "oci-archive:/srv/image.tar"),
        ("nope.qcow2", "Correct the path, or write docker://nope.qcow2 for an image"),
        ("images/nope.QCOW2.gz", "Correct the path, or write docker://images/nope.QCOW2.gz"),
        ("nope", "Correct the path, or write docker://nope"),
        ("./nope.raw", "Correct the path; write oci:./nope.raw or oci-archive:./nope.raw"),
        ("/", "Write oci:/ for a layout"),
        (__file__, f"Write oci-archive:{__file__}"),
        ("docker://me:pass@registry.example/a", "--authfile"),
        ("docker://me@registry.example:5/a@sha256:1", "--authfile"),
        ("oci:", "Write "),
        ("docker://", "Write "),
        ("docker://registry.example/a b", "Remove the space"),
        ("", "docker://registry/name:tag"),
        ("docker://registry.example/a\n", "docker://"),
        ("OCI:/x", "known transports"),
    ],
)
def test_a_wrong_reference_is_refused_with_the_way_out(text: str, remedy: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)

    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    "text",
    ["nope.qcow2", "nope", "a/nope.iso", "~/nope.tar", "../nope", "~nobody-here/x", "n" * 5000],
)
def test_a_misspelt_path_is_no_such_file(text: str) -> None:
    with pytest.raises(InputError, match="no such file, and no transport of an image"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "is_remote"),
    [
        ("docker://registry.example/a", True),
        ("docker://localhost.example/a", True),
        ("docker://localhost:5000/a", False),
        ("docker://127.0.0.1:5000/a", False),
        ("docker://[::1]:5000/a", False),
        ("oci:/registry.example/a", False),
    ],
)
def test_only_a_registry_beyond_the_host_is_remote(text: str, is_remote: bool) -> None:
    assert parse(text).is_remote is is_remote


@pytest.mark.parametrize("name", ["q:5000/b:4.19", "q:5000/b@sha256:1", "q:5000/b:4@sha256:1"])
def test_a_digest_replaces_tag_and_digest_but_not_the_port(name: str) -> None:
    assert parse(f"docker://{name}").at_digest("sha256:2").rest == "q:5000/b@sha256:2"
