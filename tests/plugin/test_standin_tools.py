"""The stand-in's ostree-container, built and run on this host with the real ostree and skopeo."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import zstandard

from harness.images.container import registry
from harness.images.container.skopeo import Source
from harness.images.oci.writing import write_image
from harness.images.reference import parse
from harness.model.clock import Deadline
from harness.process import Completed, run

TOOLS = Path(__file__).parents[2] / "fixtures" / "standin" / "tools"
BASE = {
    "usr/": "",
    "usr/private/": "0700",
    "usr/old": "base",
    "usr/replaced": "base",
    "usr/folder/": "",
    "usr/folder/a": "base",
    "usr/folder/b": "base",
    "etc/": "",
    "etc/kept.conf": "base",
    "boot/": "",
    "run/": "",
    "run/left": "over",
}
NODE = {
    "usr/": "",
    "usr/new": "node",
    "usr/replaced": "node",
    "usr/private/key": "node",
    "etc/new.conf": "node",
    "var/": "",
    "var/log/x": "node",
}
LABELS = {"Labels": {"org.opencontainers.image.version": "9.6.20250101-0"}}


def tar(members: Mapping[str, str]) -> bytes:
    """Return a tar of files with their text and of folders (trailing slash) with their mode."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in members.items():
            member = tarfile.TarInfo(name)
            if name.endswith("/"):
                member.type, member.mode = tarfile.DIRTYPE, int(text or "0755", 8)
                archive.addfile(member)
            else:
                member.size = len(text.encode())
                archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("tools") / "ostree-container"
    # Neither -trimpath nor -ldflags: they would compile the standard library anew.
    run(
        ["go", "build", "-o", target, *sorted(TOOLS.glob("ostree-container*.go"))],
        Deadline.after(120), env={"GO111MODULE": "off", "GOFLAGS": ""},
    )  # fmt: skip
    return target


@dataclass(frozen=True, slots=True, kw_only=True)
class Repo:
    """A real repository and the stand-in's command on it."""

    command: Path
    path: Path

    def ostree(self, command: str, *args: str) -> str:
        argv = ["ostree", command, f"--repo={self.path}", *args]
        return run(argv, Deadline.after(30)).stdout.strip()

    def pull(self, imgref: str, *options: str) -> Completed:
        argv = [str(self.command), "image", "pull", *options, str(self.path), imgref]
        return run(argv, Deadline.after(30), check=False)

    def pull_layers(self, folder: Path, *layers: bytes) -> Completed:
        write_image(folder, "x", "amd64", layers, LABELS)
        return self.pull(f"ostree-unverified-image:oci:{folder}:x")

    def refs(self, kind: str) -> list[str]:
        return self.ostree("refs", f"ostree/container/{kind}").split()

    def merged(self) -> str:
        (name,) = self.refs("image")
        return f"ostree/container/image/{name}"

    def files(self) -> dict[str, str]:
        """Return each path of the merged tree with its type and mode, as `ostree ls` has them."""
        lines = self.ostree("ls", "-R", self.merged()).splitlines()
        return {line.split(maxsplit=4)[4]: line.split()[0] for line in lines}

    def text(self, path: str) -> str:
        return self.ostree("cat", self.merged(), path)

    def metadata(self, key: str) -> str:
        return self.ostree("show", f"--print-metadata-key={key}", self.merged()).strip("'")


@pytest.fixture
def repo(command: Path, tmp_path: Path) -> Repo:
    made = Repo(command=command, path=tmp_path / "repo")
    # Only root may own any file, as in the guest.
    made.ostree("init", "--mode=bare" if os.geteuid() == 0 else "--mode=bare-user")
    return made


def test_layers_become_one_tree_with_etc_in_its_place(repo: Repo, tmp_path: Path) -> None:
    pulled = repo.pull_layers(tmp_path / "i", tar(BASE), tar(NODE))

    assert pulled.status == 0, pulled.stderr
    assert "layers already present: 0; layers needed: 2 (" in pulled.stdout
    files = repo.files()
    assert {"/usr/new", "/usr/old", "/usr/etc/kept.conf", "/usr/etc/new.conf"} <= set(files)
    assert repo.text("/usr/replaced") == "node"
    assert not [path for path in files if path.startswith("/etc")]
    assert files["/usr/private"] == "d00700"


def test_what_the_running_system_fills_is_left_out_and_counted(repo: Repo, tmp_path: Path) -> None:
    pulled = repo.pull_layers(tmp_path / "i", tar(BASE), tar(NODE))

    files = repo.files()
    assert {"/boot", "/run"} <= set(files)
    assert not {"/run/left", "/var/log/x"} & set(files)
    note = "Image contains non-ostree compatible file paths: run: 1 var: 2"
    assert pulled.stderr.strip() == note


def test_the_merged_commit_says_where_it_comes_from(repo: Repo, tmp_path: Path) -> None:
    manifest = write_image(tmp_path / "i", "x", "amd64", [tar(BASE), tar(NODE)], LABELS)

    assert repo.pull(f"ostree-unverified-image:oci:{tmp_path}/i:x").status == 0

    assert repo.metadata("version") == "9.6.20250101-0"
    assert repo.metadata("ostree.manifest-digest") == manifest["digest"]
    assert len(json.loads(repo.metadata("ostree.manifest"))["layers"]) == 2
    assert json.loads(repo.metadata("ostree.container.image-config"))["config"] == LABELS


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_compressed_layers_are_understood(
    compress: Callable[[bytes], bytes], repo: Repo, tmp_path: Path
) -> None:
    pulled = repo.pull_layers(tmp_path / "i", compress(tar(BASE)), compress(tar(NODE)))

    assert pulled.status == 0, pulled.stderr
    assert repo.text("/usr/new") == "node"


def test_whiteouts_remove_what_lies_below(repo: Repo, tmp_path: Path) -> None:
    upper = {
        "usr/.wh.old": "",
        "usr/folder/": "",
        "usr/folder/.wh..wh..opq": "",
        "usr/folder/c": "upper",
        "etc/.wh.kept.conf": "",
    }

    pulled = repo.pull_layers(tmp_path / "i", tar(BASE), tar(NODE), tar(upper))

    assert pulled.status == 0, pulled.stderr
    files = repo.files()
    assert not {"/usr/old", "/usr/folder/a", "/usr/folder/b", "/usr/etc/kept.conf"} & set(files)
    assert {"/usr/folder/c", "/usr/new", "/usr/replaced"} <= set(files)
    assert not [path for path in files if "/.wh." in path]
    assert list((repo.path / "tmp").glob("ostree-container-*")) == []


def test_a_layer_in_the_repository_is_not_fetched_again(repo: Repo, tmp_path: Path) -> None:
    repo.pull_layers(tmp_path / "i", tar(BASE))
    (tmp_path / "i").rename(tmp_path / "first")

    again = repo.pull_layers(tmp_path / "i", tar(BASE), tar(NODE))
    unchanged = repo.pull_layers(tmp_path / "i", tar(BASE), tar(NODE))

    assert "layers already present: 1; layers needed: 1 (" in again.stdout
    assert again.stdout.count("Fetched layer sha256:") == 1
    assert unchanged.stdout.startswith("No changes in ")
    list_images = [str(repo.command), "image", "list", f"--repo={repo.path}"]
    listed = run(list_images, Deadline.after(10))
    assert listed.stdout == f"oci:{tmp_path}/i:x\n"


def test_the_repository_is_asked_once_for_each_layer(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tmp_path / "asked"
    wrapper = tmp_path / "bin" / "ostree"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\necho "$1" >> {asked}\nexec {shutil.which("ostree")} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", str(wrapper.parent), prepend=os.pathsep)
    policy = {"etc/selinux/": "", "etc/selinux/config": "SELINUX=disabled\n"}
    layers = [tar({"usr/": "", f"usr/file-{number}": "node"}) for number in range(7)]

    pulled = repo.pull_layers(tmp_path / "i", tar(BASE | policy), *layers)

    assert pulled.status == 0, pulled.stderr
    commands = asked.read_text().split()
    assert commands.count("ls") == 1 + len(layers) + 1, "each layer, and the policy"
    assert commands.count("checkout") == 1, "the policy"


def test_a_corrupted_blob_is_refused_and_the_rest_stays_useful(repo: Repo, tmp_path: Path) -> None:
    manifest = write_image(tmp_path / "i", "x", "amd64", [tar(BASE), tar(NODE)], LABELS)
    store = tmp_path / "i" / "blobs" / "sha256"
    layers = json.loads((store / manifest["digest"][7:]).read_text())["layers"]
    blob = store / layers[1]["digest"][7:]
    blob.write_bytes(blob.read_bytes().replace(b"node", b"evil"))

    pulled = repo.pull(f"ostree-unverified-image:oci:{tmp_path}/i:x")

    assert pulled.status == 1
    assert pulled.stderr.startswith("error: Importing: Parsing layer blob sha256:")
    assert "corrupted blob" in pulled.stderr
    assert repo.refs("blob") == [layers[0]["digest"].replace(":", "_3A_")]
    assert repo.refs("image") == []
    repaired = repo.pull_layers(tmp_path / "i", tar(BASE), tar(NODE))
    assert "layers already present: 1;" in repaired.stdout


@pytest.mark.parametrize("name", ["../escape", "usr/../../escape", "/usr/.."])
def test_a_member_that_climbs_out_is_refused(name: str, repo: Repo, tmp_path: Path) -> None:
    pulled = repo.pull_layers(tmp_path / "i", tar(BASE), tar({name: "x"}))

    assert pulled.status == 1
    assert f"Invalid path: {name}" in pulled.stderr
    assert len(repo.refs("blob")) == 1


@pytest.mark.parametrize(
    ("imgref", "message"),
    [
        ("ostree-unverified-image:oci:/nowhere:x", "error: Creating importer: Failed to invoke"),
        ("ostree-unverified-registry:127.0.0.1:1/none", "connection refused"),
        ("ostree-image-signed:docker://h/n", "error: ostree-image-signed: signatures cannot"),
        ("docker://h/n", 'error: Invalid ostree image reference "docker://h/n"'),
    ],
)
def test_missing_image_is_one_error(imgref: str, message: str, repo: Repo) -> None:
    pulled = repo.pull(imgref)

    assert (pulled.status, pulled.stdout) == (1, "")
    assert message in pulled.stderr


def test_an_image_comes_from_a_registry_under_the_originals_ref(repo: Repo, tmp_path: Path) -> None:
    write_image(tmp_path / "i", "x", "amd64", [tar(BASE)], LABELS)
    with registry.serve(tmp_path, Deadline.after(30)) as served:
        source = Source(reference=parse(f"oci:{tmp_path}/i:x"), arch="x86_64")
        spec = served.push(source, "some/node", Deadline.after(30))
        digest = spec.rpartition("@")[2]
        name = f"docker://127.0.0.1:{served.port}/some/node@{digest}"

        pulled = repo.pull(f"ostree-unverified-image:{name}", f"--cert-dir={served.folder}/trust")
        untrusted = repo.pull(f"ostree-unverified-image:{name}")

    assert pulled.status == 0, pulled.stderr
    port, hexadecimal = served.port, digest.partition(":")[2]
    assert repo.refs("image") == [
        f"docker_3A__2F__2F_127_2E_0_2E_0_2E_1_3A_{port}/some/node_40_sha256_3A_{hexadecimal}"
    ]
    assert untrusted.status == 1
    assert "x509: certificate signed by unknown authority" in untrusted.stderr
