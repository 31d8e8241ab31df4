from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from images_fakes import deadline, tar_of, write_layout

from harness.images.acquire.cache import Cache
from harness.images.container.contents import Contents, contents_of, parse_owners, read_layout
from harness.images.container.node_image import NodeImage
from harness.images.container.skopeo import Source
from harness.images.reference import Reference, Transport
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, InputError

CONTENTS = Contents(
    files={
        "/usr/bin/oc": "openshift-clients",
        "/usr/sbin/ip": "iproute",
        "/usr/local/bin/own": None,
        "/usr/libexec/crio/tool": "cri-o",
    }
)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("oc", ("/usr/bin/oc", "openshift-clients")),
        ("/usr/bin/oc", ("/usr/bin/oc", "openshift-clients")),
        ("/bin/oc", ("/usr/bin/oc", "openshift-clients")),
        ("/usr/bin/../bin//oc", ("/usr/bin/oc", "openshift-clients")),
        ("ip", ("/usr/sbin/ip", "iproute")),
        ("/sbin/ip", ("/usr/sbin/ip", "iproute")),
        ("own", ("/usr/local/bin/own", None)),
        ("/usr/libexec/crio/tool", ("/usr/libexec/crio/tool", "cri-o")),
        ("tool", None),
        ("/bin/ip", None),
        ("/opt/bin/oc", None),
        ("./oc", None),
        ("", None),
    ],
)
def test_a_command_is_looked_up_by_name_or_path(
    command: str, expected: tuple[str, str | None] | None
) -> None:
    assert CONTENTS.which(command) == expected
    assert CONTENTS.package_of(command) == (expected[1] if expected else None)


def test_a_unit_is_looked_up_where_images_keep_units() -> None:
    contents = replace(CONTENTS, others={"/usr/lib/systemd/system/crio.service": "cri-o"})

    assert contents.package_of("crio.service") == "cri-o"
    assert contents.package_of("kubelet.service") is None


def test_owners_are_read_from_what_rpm_prints() -> None:
    text = (
        "/usr/bin/oc\topenshift-clients\n/bin/sh\tbash\n/usr/bin\tfilesystem\n/etc/x\tsetup\n"
        "/usr/bin/both\ta\n/usr/bin/both\tz\n(contains no files)\n\n"
    )

    assert parse_owners(text) == {
        "/usr/bin/oc": "openshift-clients", "/usr/bin/sh": "bash", "/usr/bin/both": "a",
        "/etc/x": "setup",
    }  # fmt: skip


def layer_of(*programs: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in programs:
            member = tarfile.TarInfo(name)
            member.mode, member.size = 0o755, 3
            tar.addfile(member, io.BytesIO(b"elf"))
    return packed.getvalue()


def read(folder: Path, limit: Deadline | None = None) -> Contents:
    return read_layout(folder, None, "oci:x", limit or deadline())


def test_layers_are_read_compressed_or_plain_and_applied_in_order(tmp_path: Path) -> None:
    lower = layer_of("usr/bin/oc", "usr/bin/jq", "usr/lib/x.so", "opt/bin/y")
    upper = tar_of({"usr/bin/.wh.jq": b""})
    write_layout(tmp_path, [gzip.compress(lower), upper, layer_of("usr/sbin/ip")])

    assert read(tmp_path).files == {"/usr/bin/oc": None, "/usr/sbin/ip": None}


def test_units_and_settings_are_read_wherever_the_image_keeps_etc(tmp_path: Path) -> None:
    lower = tar_of({"usr/etc/crio/crio.conf": b"", "usr/lib/systemd/system/a.service": b""})
    upper = tar_of({"etc/new.conf": b"", "usr/share/doc/x": b"", "var/y": b""})
    write_layout(tmp_path, [lower, upper])

    found = read(tmp_path)

    assert set(found.others) == {
        "/etc/crio/crio.conf", "/etc/new.conf", "/usr/lib/systemd/system/a.service",
    }  # fmt: skip
    assert found.below("/etc/crio/crio.conf") == ("/etc/crio/crio.conf", None)
    assert found.below("/etc/crio") == found.below("/etc/crio/") == ("/etc/crio/crio.conf", None)
    assert found.below("/etc/cri") is None


def test_the_manifest_of_the_digest_is_the_one_that_is_read(tmp_path: Path) -> None:
    wanted = write_layout(tmp_path, [layer_of("usr/bin/oc")])
    write_layout(tmp_path, [layer_of("usr/bin/other")])

    found = read_layout(tmp_path, wanted["digest"], "oci:x", deadline())

    assert set(found.files) == {"/usr/bin/oc"}


@pytest.mark.parametrize(
    ("layer", "problem"),
    [
        (gzip.compress(layer_of("usr/bin/oc"))[:-20], "unreadable layer"),
        (b"no tar at all, but long enough to be a header" * 20, "unreadable layer"),
    ],
    ids=["cut", "no tar"],
)
def test_damaged_layers_are_refused_with_the_images_name(
    layer: bytes, problem: str, tmp_path: Path
) -> None:
    write_layout(tmp_path, [layer])

    with pytest.raises(InputError, match=f"oci:x, layer 1 of 1: {problem}"):
        read(tmp_path)


def test_folder_other_than_a_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"oci:x: index\.json cannot be read: No such file"):
        read(tmp_path)


def test_reading_ends_at_the_deadline(tmp_path: Path) -> None:
    write_layout(tmp_path, [layer_of("usr/bin/oc")])

    with pytest.raises(DeadlineError, match="reading oci:x"):
        read(tmp_path, deadline(0))


def test_an_image_is_read_once(tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    written = write_layout(layout, [layer_of("usr/bin/oc")])
    reference = Reference(transport=Transport.OCI, rest=f"{layout}:t")
    image = NodeImage(reference=reference, digest=written["digest"], labels={}, layers=())
    source = Source(reference=reference, arch="x86_64")
    limit = Deadline.after(60)

    with Cache(tmp_path / "cache") as cache:
        first = contents_of(image, source, cache, limit)
        for blob in (layout / "blobs/sha256").iterdir():
            blob.unlink()
        again = contents_of(image, source, cache, limit)

    assert first == again == Contents(files={"/usr/bin/oc": None})


@pytest.mark.parametrize("changed", [b"", layer_of("usr/bin/other")])
def test_nothing_is_kept_under_a_digest_that_was_not_checked(
    changed: bytes, tmp_path: Path
) -> None:
    layout = tmp_path / "layout"
    written = write_layout(layout, [layer_of("usr/bin/oc")])
    good = write_layout(tmp_path / "good", [layer_of("usr/bin/oc")])
    reference = Reference(transport=Transport.OCI, rest=f"{layout}:t")
    image = NodeImage(reference=reference, digest=written["digest"], labels={}, layers=())
    source = Source(reference=reference, arch="x86_64")
    layer = blob_of(layout, hashlib.sha256(layer_of("usr/bin/oc")).hexdigest())
    layer.write_bytes(changed)

    with Cache(tmp_path / "cache") as cache:
        with pytest.raises(InputError, match=f"the blob sha256:{layer.name} "):
            contents_of(image, source, cache, deadline())
        shutil.copytree(tmp_path / "good", layout, dirs_exist_ok=True)
        found = contents_of(image, source, cache, Deadline.after(60))

    assert good == written
    assert found == Contents(files={"/usr/bin/oc": None})


def blob_of(layout: Path, digest: str) -> Path:
    return layout / "blobs/sha256" / digest
