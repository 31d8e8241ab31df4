"""Machines that start with a pointer: the config it leads to is checked and kept as well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.cluster.pointer import pointer
from harness.cluster.web import serve
from harness.images.certificates import issue
from harness.model.guest_network import HOST_IN_GUEST
from harness.model.ignition import Document, render
from harness.scenarios import start
from harness.scenarios.config import insist_valid
from harness.scenarios.scenario import Inputs, Rig
from harness.scenarios.start import Boot, MachinePlan

_PATH = "/bootstrap.ign"
_KEPT = "fetched-config.json"


@contextmanager
def switched_on(
    rig: Rig, inputs: Inputs, plan: MachinePlan, pointer: Document, config: Document
) -> Iterator[Boot]:
    """Hold a machine as `start.switched_on` that starts with `pointer`, which leads to `config`.

    Raises:
        InputError: `ignition-validate` refuses one of both.
        RigError: the host cannot start the machine.
    """
    insist_valid(render(config), rig.run.folder)
    with start.switched_on(rig, inputs, plan, pointer) as boot:
        # Before anything is read of the machine: its secrets are known from now on.
        boot.evidence.keep_config(config, _KEPT)
        yield boot


@contextmanager
def by_pointer(
    rig: Rig, inputs: Inputs, plan: MachinePlan, config: Document, *, is_secure: bool = False
) -> Iterator[Boot]:
    """Hold a machine that fetches `config` from a web server of the run, by HTTPS if `is_secure`.

    Raises:
        InputError: `ignition-validate` refuses the config.
        RigError: the host cannot start the machine.
    """
    certificate = issue((HOST_IN_GUEST,), ()) if is_secure else None
    ca_pem = certificate.ca_pem if certificate else None
    routes = {_PATH: render(config).encode()}
    with (
        serve(routes, certificate) as web,
        switched_on(rig, inputs, plan, pointer(web.url_in_guest + _PATH, ca_pem), config) as boot,
    ):
        yield boot
