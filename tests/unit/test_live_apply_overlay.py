"""The overlay of the node image on a running system: what it restarts, by the image's version."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import folders, process
from harness.model.clock import Deadline

OVERLAY = folders.fixture("guest/node-image-overlay")
SSHD = "--no-block try-restart sshd.service"


@pytest.mark.parametrize(
    ("field", "restarts"),
    [
        ('OPENSHIFT_VERSION="4.19"', False), ('OPENSHIFT_VERSION="4.21"', False),
        ('OPENSHIFT_VERSION="4.22"', True), ('OPENSHIFT_VERSION="5.0"', True),
        ("OPENSHIFT_VERSION=4.100", True), ("OPENSHIFT_VERSION=4.9", False), ("ID=rhel", True),
    ],
)  # fmt: skip
def test_sshd_restarts_as_the_installer_of_the_version_does(
    tmp_path: Path, field: str, restarts: bool
) -> None:
    for name in ("mount", "rsync", "selinuxenabled", "semodule", "systemctl"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "{name} $*" >>{tmp_path}/asked\n')
        (tmp_path / name).chmod(0o755)
    (tmp_path / "os-release").write_text(f"NAME=x\n{field}\n")
    script = OVERLAY.read_text().replace("$checkout/usr/lib/os-release", f"{tmp_path}/os-release")
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin"}

    process.run(("bash", "-c", script), Deadline.after(10), env=env)

    asked = (tmp_path / "asked").read_text()
    assert (SSHD in asked) is restarts
    assert asked.index("rbind,ro") < asked.index("rsync")
