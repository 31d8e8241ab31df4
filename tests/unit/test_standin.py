"""The stand-in build's pure parts: keys, versions, specs, layers and boot sectors."""

from __future__ import annotations

import hashlib
import io
import json
import os
import struct
import tarfile
from pathlib import Path

import pytest
import zstandard
from machine_fakes import FakeClock

from harness.model import os_release
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, RigError
from harness.process import CommandError
from harness.standin import boot_loader, build, coreos, golang, oci, recipe, rpm
from harness.waiting import WaitReporter


@pytest.mark.parametrize(
    ("debian", "expected"),
    [
        ("1:9.2p1-2+deb12u3", (1, "9.2p1", "2+deb12u3")),
        ("4.5", (0, "4.5", "0")),
        ("1.6.20~ds1-1+deb12u1", (0, "1.6.20~ds1", "1+deb12u1")),
        ("2:1.2-rc1-3", (2, "1.2_rc1", "3")),
    ],
)
def test_debian_version_becomes_rpm_epoch_version_release(
    debian: str, expected: tuple[int, str, str]
) -> None:
    assert rpm.nevra_of(debian) == expected


def test_spec_lists_each_file_quoted_and_escapes_percent() -> None:
    package = rpm.Package(
        name="jq", debian_version="1.6-2", summary="filter", files=("/usr/bin/jq", "/etc/a b%c")
    )

    spec = rpm.spec_of([package])

    assert '%files -n jq\n%defattr(-,root,root)\n"/usr/bin/jq"\n"/etc/a b%%c"\n' in spec


def _tree(folder: Path, *files: str) -> Path:
    for name in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def test_debian_packages_own_only_what_is_left_below_usr_and_etc(tmp_path: Path) -> None:
    tree = _tree(tmp_path, "usr/bin/jq", "etc/jq.conf", "var/lib/jq")
    info = tree / "var/lib/dpkg/info"
    info.mkdir(parents=True)
    (info / "jq.list").write_text("/.\n/bin\n/bin/jq\n/etc/jq.conf\n/usr/share/gone\n/var/lib/jq\n")
    (info / "meta:amd64.list").write_text("/.\n/usr/share/gone\n")
    (tree / "var/lib/dpkg/status").write_text(
        "Package: jq\nArchitecture: amd64\nVersion: 1.6-2\nDescription: filter\n more: text\n\n"
        "Package: meta\nArchitecture: amd64\nVersion: 1\nDescription: nothing\n"
    )

    packages = rpm.debian_packages(tree)

    assert [(p.name, p.files) for p in packages] == [("jq", ("/etc/jq.conf", "/usr/bin/jq"))]


def test_key_changes_with_versions_content_names_and_modes(tmp_path: Path) -> None:
    folder = _tree(tmp_path, "a")
    keys = [recipe.key_of(["x 1"], [folder]), recipe.key_of(["x 2"], [folder])]
    (folder / "a").chmod(0o755)
    keys.append(recipe.key_of(["x 1"], [folder]))
    (folder / "a").write_text("other")
    keys.append(recipe.key_of(["x 1"], [folder]))
    (folder / "a").rename(folder / "b")
    keys.append(recipe.key_of(["x 1"], [folder]))

    assert len(set(keys)) == 5


def test_key_changes_with_a_single_file(tmp_path: Path) -> None:
    file = _tree(tmp_path, "a") / "a"
    keys = [recipe.key_of([], []), recipe.key_of([], [file])]
    file.write_text("other")

    assert recipe.key_of([], [file]) not in keys


def test_programs_of_older_sources_are_removed(tmp_path: Path) -> None:
    for name in ("kubelet-1", "kubelet-2", "release-image-1"):
        (tmp_path / name).touch()
    programs = {"kubelet": tmp_path / "kubelet-3", "release-image": tmp_path / "release-image-1"}

    def no_compiler() -> golang.Toolchain:
        raise RigError("no compiler")

    with pytest.raises(RigError):
        golang.compile_missing(programs, no_compiler, Deadline.after(1))

    assert [path.name for path in tmp_path.iterdir()] == ["release-image-1"]


def test_key_is_blind_to_compiled_python(tmp_path: Path) -> None:
    folder = _tree(tmp_path, "build.py")
    before = recipe.key_of([], [folder])

    _tree(folder, "__pycache__/build.pyc")

    assert recipe.key_of([], [folder]) == before


def test_build_reports_its_steps_and_leaves_no_log(tmp_path: Path) -> None:
    lines: list[str] = []

    build.run_build(
        ["sh", "-c", r"printf 'disk\ncompiling\ndisk\t1.5\n'"], tmp_path / "log",
        Deadline.after(10), lines.append,
    )  # fmt: skip

    assert lines == ["stand-in: disk (1.5 s)"]
    assert not (tmp_path / "log").exists()


class _Impatient(FakeClock):
    """Ten seconds later each time that it is asked."""

    def monotonic(self) -> float:
        self.now += 10.0
        return self.now


def test_silent_build_reports_what_it_does_now(tmp_path: Path) -> None:
    lines, go_on = list[str](), tmp_path / "go-on"
    os.mkfifo(go_on)

    def report(line: str) -> None:
        lines.append(line)
        if "compiling" in line and "compiling" not in "".join(lines[:-1]):
            go_on.write_text("")

    script = rf"printf 'first\t0.1\ncompiling kubelet: 3 of 9 Go packages\n'; cat {go_on}"
    build.run_build(
        ["sh", "-c", script], tmp_path / "log", Deadline.after(10),
        WaitReporter(report, _Impatient(), tick_s=0.001),
    )  # fmt: skip

    assert "stand-in: compiling kubelet: 3 of 9 Go packages (" in "".join(lines)


def test_compiler_reports_how_many_packages_are_left(tmp_path: Path) -> None:
    lines: list[str] = []
    toolchain = _toolchain(tmp_path, lines, "echo one >&2; echo two >&2")

    for program in ("kubelet", "kube-apiserver"):
        toolchain.build(f"k8s.io/cmd/{program}", tmp_path / "out", tmp_path, Deadline.after(10))

    first, last = lines[0], lines[-1]
    assert first.startswith("compiling kubelet: ")
    assert first.endswith(" of 3 Go packages")
    assert last.startswith("compiling kube-apiserver: ")
    assert last.endswith(" of 1 Go packages")


def test_compiler_that_fails_says_why(tmp_path: Path) -> None:
    toolchain = _toolchain(tmp_path, [], "echo x.go: no such name >&2; exit 2")

    with pytest.raises(CommandError, match=r"exited 2: x\.go: no such name"):
        toolchain.build("cmd/x", tmp_path / "out", tmp_path, Deadline.after(10))


def test_compiler_ends_at_the_deadline(tmp_path: Path) -> None:
    toolchain = _toolchain(tmp_path, [], "exec sleep 60")

    with pytest.raises(DeadlineError, match="still running"):
        toolchain.build("cmd/x", tmp_path / "out", tmp_path, Deadline.after(0.05))


def _toolchain(folder: Path, lines: list[str], build_script: str) -> golang.Toolchain:
    """Return a compiler that lists three packages, and builds by a script."""
    go = folder / "bin/go"
    go.parent.mkdir()
    go.write_text(
        f'#!/bin/sh\nif test "$1" = list; then echo one two three; else {build_script}; fi\n'
    )
    go.chmod(0o755)
    return golang.Toolchain(root=folder, gopath=folder, report=lines.append)


def test_failed_build_says_why_and_leaves_no_log(tmp_path: Path) -> None:
    argv = ["sh", "-c", "echo no space left >&2; exit 3"]

    with pytest.raises(RigError, match=r"exited 3: no space left"):
        build.run_build(argv, tmp_path / "log", Deadline.after(10), lambda _: None)

    assert not (tmp_path / "log").exists()


def test_shipped_recipe_names_no_package_twice() -> None:
    packages = recipe.load().coreos_packages

    assert len(set(packages)) == len(packages)


def test_os_release_keeps_the_contract_and_says_stand_in() -> None:
    lines = coreos.os_release_lines(recipe.load(), "9.6.20250203-0")

    fields = os_release.parse("\n".join(lines))

    assert fields["VERSION"] == "9.6.20250203-0 (Plow)"
    assert fields["OSTREE_VERSION"] == "9.6.20250203-0"
    assert fields["ID"] == "rhel"
    assert "not RHEL" in fields["STAND_IN"]
    assert "OPENSHIFT_VERSION" not in fields


def test_changed_paths_of_a_hard_link_copy(tmp_path: Path) -> None:
    base = _tree(tmp_path / "base", "usr/same", "usr/rewritten", "usr/touched/file")
    (base / "usr/link").symlink_to("same")
    node = tmp_path / "node"
    (node / "usr/touched").mkdir(parents=True)
    os.link(base / "usr/same", node / "usr/same")
    os.link(base / "usr/touched/file", node / "usr/touched/file")
    (node / "usr/rewritten").write_text("new")
    (node / "usr/link").symlink_to("same")
    (node / "usr/new").mkdir()

    changed = {str(path.relative_to(node)) for path in oci.changed(node, base)}

    assert changed == {"usr/rewritten", "usr/new"}


def test_layer_names_etc_as_containers_do_and_digests_hold(tmp_path: Path) -> None:
    tree = _tree(tmp_path / "tree", "usr/etc/conf", "usr/bin/tool")

    layer = oci.pack(tree, oci.everything(tree), tmp_path / "layer")

    with tarfile.open(layer.file) as tar:
        assert {"etc/conf", "usr/bin/tool"} <= set(tar.getnames())
        assert not any(name.startswith("usr/etc") for name in tar.getnames())
    assert layer.descriptor["size"] == layer.file.stat().st_size


def test_a_layer_can_be_packed_for_container_runtimes_alone(tmp_path: Path) -> None:
    tree = _tree(tmp_path / "tree", "usr/bin/tool")

    layer = oci.pack(tree, oci.everything(tree), tmp_path / "layer", oci.ZSTD)

    packed = layer.file.read_bytes()
    assert layer.descriptor["mediaType"].endswith(".tar+zstd")
    assert layer.descriptor["digest"] == f"sha256:{hashlib.sha256(packed).hexdigest()}"
    unpacked = zstandard.ZstdDecompressor().stream_reader(packed).read()
    assert layer.diff_id == f"sha256:{hashlib.sha256(unpacked).hexdigest()}"
    with tarfile.open(fileobj=io.BytesIO(unpacked)) as tar:
        assert "usr/bin/tool" in tar.getnames()


def test_image_shares_its_lower_layer_with_the_base(tmp_path: Path) -> None:
    tree = _tree(tmp_path / "tree", "usr/bin/tool")
    lower = oci.pack(tree, oci.everything(tree), tmp_path / "lower")
    upper = oci.pack(tree, [], tmp_path / "upper")
    for name, layers in (("base", [lower]), ("node", [lower, upper])):
        oci.write_layout(tmp_path / name, layers, {"Cmd": ["/x"]}, "2026-01-01T00:00:00Z")

    base, node = (_manifest(tmp_path / name) for name in ("base", "node"))

    assert node[:-1] == base


def _manifest(layout: Path) -> list[str]:
    index = json.loads((layout / "index.json").read_text())
    digest = index["manifests"][0]["digest"].removeprefix("sha256:")
    manifest = json.loads((layout / "blobs/sha256" / digest).read_text())
    return [layer["digest"] for layer in manifest["layers"]]


def test_grub_block_lists_point_at_the_core_image(tmp_path: Path) -> None:
    image = tmp_path / "disk"
    image.write_bytes(bytes(2 * 1024 * 1024))

    grub = boot_loader.Grub(boot_sector=b"\xeb" * 512, core=b"C" * 1300, program=b"")
    boot_loader.install_for_bios(image, grub, 1024 * 1024)

    written = image.read_bytes()
    assert written[:2] == b"\xeb\xeb"
    assert written[440:512] == bytes(72), "the partition table is not touched"
    assert struct.unpack_from("<Q", written, 0x5C) == (2048,)
    assert struct.unpack_from("<QHH", written, 1024 * 1024 + 500) == (2049, 2, 0x820)


def test_links_that_want_a_pruned_unit_go_with_it(tmp_path: Path) -> None:
    units = tmp_path / "usr/lib/systemd/system"
    wants = units / "basic.target.wants"
    wants.mkdir(parents=True)
    for name in ("kept.service", "pruned.service", "absolute.service"):
        (units / name).touch()
    (wants / "kept.service").symlink_to("../kept.service")
    (wants / "pruned.service").symlink_to("../pruned.service")
    (wants / "absolute.service").symlink_to("/usr/lib/systemd/system/absolute.service")

    coreos.prune(tmp_path, ["usr/lib/systemd/system/pruned.service"])

    assert sorted(link.name for link in wants.iterdir()) == ["absolute.service", "kept.service"]
