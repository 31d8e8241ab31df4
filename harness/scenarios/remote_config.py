"""Machines that start with a pointer: the config it leads to is checked and kept as well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.model.ignition import Document, render
from harness.scenarios import stages
from harness.scenarios.config import insist_valid
from harness.scenarios.scenario import Inputs, Rig
from harness.scenarios.stages import Boot, MachinePlan

SERVE_S = 10.0
"""How long a server of the harness may take to listen."""
_KEPT = "fetched-config.json"


@contextmanager
def switched_on(
    rig: Rig, inputs: Inputs, plan: MachinePlan, pointer: Document, config: Document
) -> Iterator[Boot]:
    """Hold a machine as `stages.switched_on` that starts with `pointer`, which leads to `config`.

    Raises:
        InputError: `ignition-validate` refuses one of both.
        RigError: the host cannot start the machine.
    """
    insist_valid(render(config), rig.run.folder)
    with stages.switched_on(rig, inputs, plan, pointer) as boot:
        # Before anything is read of the machine: its secrets are known from now on.
        boot.evidence.keep_config(config, _KEPT)
        yield boot
