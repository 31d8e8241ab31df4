"""Where evidence goes, and which end of a machine is whose fault."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.images.node_image import NodeImage
from harness.images.reference import Reference, Transport
from harness.model.errors import InputError, ProductError, RigError
from harness.wiring.reports import why_dead
from harness.wiring.workplace import KEPT_RUNS, base_version, evidence_folder


def test_evidence_of_a_run_is_found_by_last(tmp_path: Path) -> None:
    evidence_folder(tmp_path, "run-1")
    newest = evidence_folder(tmp_path, "run-2")

    assert (tmp_path / "last").resolve() == newest
    assert newest.stat().st_mode & 0o077 == 0


def test_cache_keeps_the_evidence_of_the_newest_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for number in range(KEPT_RUNS + 2):
        folder = evidence_folder(None, f"run-{number:02}")
        os.utime(folder, (number, number))

    left = sorted(path.name for path in folder.parent.glob("run-*"))

    assert len(left) == KEPT_RUNS
    assert left[-1] == f"run-{KEPT_RUNS + 1:02}"


def test_folder_that_the_user_named_keeps_everything(tmp_path: Path) -> None:
    for number in range(KEPT_RUNS + 2):
        evidence_folder(tmp_path, f"run-{number}")

    assert len(list(tmp_path.glob("run-*"))) == KEPT_RUNS + 2


def test_folder_that_cannot_hold_evidence_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(InputError, match="file: cannot hold evidence: Not a directory"):
        evidence_folder(tmp_path / "file", "run-1")


@pytest.mark.parametrize(
    ("labels", "version"),
    [
        ({"org.opencontainers.image.version": "419.1"}, "419.1"),
        (
            {
                "org.opencontainers.image.version": "419.1",
                "io.openshift.build.versions": "machine-os=9.6.20250203-0",
            },
            "9.6.20250203-0",
        ),
        ({}, None),
    ],
    ids=["own", "base", "none"],
)
def test_version_of_the_base_goes_before_the_node_images_own(
    labels: dict[str, str], version: str | None
) -> None:
    reference = Reference(transport=Transport.OCI, rest="/x:latest")
    image = NodeImage(reference=reference, digest="sha256:1", labels=labels, layers=())

    assert base_version(image) == version


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("the guest powered off", ProductError),
        ("the guest crashed\n  qemu: panic", ProductError),
        ("QEMU ended by itself\n  qemu: out of memory", RigError),
    ],
)
def test_end_of_a_machine_is_the_guests_or_the_hosts(reason: str, kind: type[Exception]) -> None:
    error = why_dead(reason, "ipi", Path("/evidence"))

    assert type(error) is kind
    assert "/evidence" in str(error)
