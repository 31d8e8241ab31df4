"""What bootstrap scenarios share: the temporary control plane of a machine, if there can be one.

It is made of the release's images, hence of a run on stand-ins or with `--release-image`.
"""

from __future__ import annotations

from harness.cluster.pki import make_pki
from harness.diagnosis import events
from harness.model.ignition import Config
from harness.node import bootkube
from harness.node.bootkube import Limits, temporary_control_plane
from harness.scenarios import stages
from harness.scenarios.scenario import Inputs
from harness.scenarios.stages import Boot

API_LEVEL = "api-readyz"
"""The level of readiness of a machine that has a temporary control plane."""


def control_plane_pieces(inputs: Inputs, limits: Limits) -> tuple[Config, ...]:
    """Return the Ignition pieces of a temporary control plane, none without a release."""
    release = inputs.release()
    if release is None or not release.has_control_plane:
        return ()
    pki = make_pki((bootkube.ADDRESS,))
    return (temporary_control_plane(release, pki, limits),)


def wait_for_control_plane(boot: Boot, limits: Limits) -> None:
    """Follow the machine until its API is ready.

    Raises:
        ProductError: a unit failed or took too long.
        RigError: QEMU ended.
    """
    stages.wait_for_stage(boot, bootkube.STAGE, limits.overall_s)
    boot.timings_s.update(events.durations_s(boot.watch.events))
