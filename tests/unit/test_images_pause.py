from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest

from harness.images.pause import pause_program, write_pause_image
from harness.model.errors import InputError

ARCHES = ["x86_64", "aarch64"]


@pytest.mark.skipif(platform.machine() not in ARCHES, reason="no program for this host")
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_program_sleeps_until_it_is_to_end(tmp_path: Path, ending: int) -> None:
    program = tmp_path / "pause"
    program.write_bytes(pause_program(platform.machine()))
    program.chmod(0o755)

    with subprocess.Popen([program]) as child:
        for other in (signal.SIGCONT, signal.SIGWINCH):
            child.send_signal(other)
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(timeout=0.1)
        child.send_signal(ending)

        assert child.wait(timeout=5) == 0, "even as PID 1, which no default action ends"


@pytest.mark.parametrize("arch", ARCHES)
def test_the_layer_holds_the_program_alone(arch: str, tmp_path: Path) -> None:
    reference = write_pause_image(tmp_path / "layout", arch)

    index = json.loads((tmp_path / "layout" / "index.json").read_text())
    manifest = json.loads(blob(tmp_path, index["manifests"][0]["digest"]).read_text())
    with tarfile.open(blob(tmp_path, manifest["layers"][0]["digest"])) as layer:
        (member,) = layer.getmembers()
        file = layer.extractfile(member)
        content = file.read() if file else b""
    assert (member.name, member.mode, member.mtime) == ("pause", 0o755, 0)
    assert content == pause_program(arch)
    assert len(content) < 300
    assert str(reference) == f"oci:{tmp_path}/layout:pause"


def test_the_image_is_the_same_every_time_and_differs_by_architecture(tmp_path: Path) -> None:
    for folder, arch in (("a", "x86_64"), ("b", "x86_64"), ("c", "aarch64")):
        write_pause_image(tmp_path / folder, arch)

    digests = {name: os.listdir(tmp_path / name / "blobs" / "sha256") for name in "abc"}  # noqa: PTH208
    assert sorted(digests["a"]) == sorted(digests["b"])
    assert sorted(digests["a"]) != sorted(digests["c"])


def test_an_architecture_without_a_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="s390x: has no pause program"):
        write_pause_image(tmp_path, "s390x")


def blob(folder: Path, digest: str) -> Path:
    return folder / "layout" / "blobs" / "sha256" / digest.removeprefix("sha256:")
