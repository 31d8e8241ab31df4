"""What a machine of a play is made of, for the key of its checkpoints."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from harness.images.acquire.digest import sha256_of
from harness.machine.domain.domain import Domain
from harness.machine.forking.key import Origin, origin_of
from harness.model.clock import Deadline
from harness.model.ignition import render
from harness.player import code
from harness.player.plan import FromDisk, MachinePlan
from harness.player.playing.stage import Stage
from harness.player.steps import step_names

_ASK_S = 30.0
_READ_S = 600.0


def origin_at(site: Stage, step: str, domain: Domain) -> Origin:
    """Return what a machine with this domain is made of after `step`.

    All machines of a scenario decide what is in each of them.

    Raises:
        CommandError: QEMU does not run.
        InputError: a config cannot be made.
    """
    scenario, inputs = site.scenario, site.inputs
    plans, names = scenario.machines, step_names(scenario.steps(inputs.given))
    return origin_of(
        domain,
        ignition={plan.name: render(site.config_of(plan.name)) for plan in plans},
        images={
            **{f"{plan.medium.image} of {plan.name}": _identity(site, plan) for plan in plans},
            "node-image": inputs.node_image.digest,
        },
        step=f"{site.name} {step}, of {', '.join(names)}",
        code=code.digest_of(scenario, inputs.given),
        deadline=Deadline.after(_ASK_S),
    )


def _identity(site: Stage, plan: MachinePlan) -> str:
    """Return what identifies the image that a machine boots, and its size on the disk."""
    images = site.inputs.images
    if isinstance(plan.medium, FromDisk):
        return f"{images.disk(plan.medium.image).sha256} {plan.medium.size_bytes}"
    iso = images.iso(plan.medium.image)
    found = iso.stat()
    return f"{_sha256_of(iso, found.st_size, found.st_mtime_ns)} {plan.medium.disk_bytes}"


@cache
def _sha256_of(path: Path, _bytes: int, _mtime_ns: int) -> str:
    """Return a live ISO's sum, computed once for a file that stays as it is."""
    return sha256_of(path, Deadline.after(_READ_S))
