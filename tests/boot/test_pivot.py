"""A machine that pivots: rebase, exactly one reboot into the node image, and a way back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from harness.guest.pivot import ENCAPSULATED
from harness.model.clock import Deadline
from harness.node.ssh import Session
from harness.player.inputs import Inputs, Rig
from harness.player.player import play
from harness.scenarios.catalogue import Catalogue

pytestmark = pytest.mark.nightly

ASK_S = 60.0
REBOOT_S = 240.0
CLIENTS = "openshift-clients"


def deployments(session: Session, deadline: Deadline) -> list[dict[str, Any]]:
    listed = session.run("rpm-ostree status --json", deadline, check=True).stdout
    found: list[dict[str, Any]] = json.loads(listed)["deployments"]
    return found


def test_a_pivoted_node_boots_the_image_and_rolls_back_to_the_bare_bootimage(
    node_image_rig: Rig, node_image_inputs: Inputs, guest_deadline: Callable[[float], Deadline]
) -> None:
    with play(Catalogue().named("ipi_node"), node_image_rig, node_image_inputs) as nodes:
        node = nodes.only
        new, old = deployments(node.session, guest_deadline(ASK_S))
        image = f"ostree-unverified-registry:{node_image_inputs.pull_spec}"
        assert (new["booted"], new["container-image-reference"]) == (True, image)
        assert node.watch.boots == 2
        assert CLIENTS in node.after.packages
        assert CLIENTS not in node.before.packages

        # Not watched from here on: the bare bootimage has no kubelet.
        with Session.connect(node.session.endpoint, guest_deadline(ASK_S)) as session:
            boot_id = session.boot_id(guest_deadline(ASK_S))
            session.run("rpm-ostree rollback", guest_deadline(ASK_S), check=True)
            # Not at once: the answer has to be sent.
            reboot = "systemd-run --quiet --on-active=2 systemctl reboot"
            session.run(reboot, guest_deadline(ASK_S), check=True)
            session.wait_for_reboot((boot_id,), guest_deadline(REBOOT_S))

            back, other = deployments(session, guest_deadline(ASK_S))
            assert (back["checksum"], back["booted"]) == (old["checksum"], True)
            assert other["checksum"] == new["checksum"]
            assert session.run(f"rpm --query {CLIENTS}", guest_deadline(ASK_S)).status == 1
            # The pivot is done: the next boot must not begin it again.
            assert session.run(f"test -e {ENCAPSULATED}", guest_deadline(ASK_S)).status == 1
