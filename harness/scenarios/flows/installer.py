"""The installer's own configs, booted as they are in the scenarios that take one.

To them come only what lets the harness in, what lets evidence out, and what the rig needs: trust in
the run's registry, the login, and the probe pod. Where both say something, the installer's counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.guest import assisted, install, pivot
from harness.guest.installers.live import live_variant_of
from harness.guest.installers.proxy import around_proxy, around_proxy_on_disk
from harness.guest.installers.variant import Variant, variant_of
from harness.guest.kubelet import probe_file
from harness.guest.live_apply import reports
from harness.guest.validation import whole
from harness.model.errors import InputError
from harness.model.ignition import Config, Document
from harness.player.given import Given
from harness.player.steps import Check

if TYPE_CHECKING:
    from harness.model.clock import Deadline
    from harness.player.running import Running
    from harness.player.site import Site

# Of the bootstrap config, which the installer writes to the live system that leads.
_OVERLAY = "node-image-overlay.service"
_REPORTED_LATER = ("node-image-pull.service", "release-image.service", "crio-configure.service")
UP_S = 1800.0
"""From the login to multi-user.target, with hardware acceleration: two pulls, in endless loops."""


def bootstrap_config(scenario: str, site: Site, document: Document) -> Document:
    """Return `document`, the bootstrap config of a cluster, with what the harness adds.

    Raises:
        InputError: the config is one for another scenario, or damaged.
    """
    variant = variant_of(document)
    if variant.is_in_place:
        raise InputError(
            "--bootstrap-ignition", f"a config for a single node, which {scenario} cannot install",
            "Run the scenario sno or sno_pxe, or use the bootstrap.ign of a cluster.",
        )  # fmt: skip
    return _merged(site, document, *pieces(site, variant))


def single_node_config(scenario: str, site: Site, document: Document) -> Document:
    """Return `document`, the config of a single node, with what the harness adds.

    The config of the disk is made in the guest, by the cluster to be: what lets the harness in
    there comes to it by Ignition's own merging, when it is whole and before it is installed.

    Raises:
        InputError: the config is one for another scenario, or damaged.
    """
    variant = variant_of(document)
    if not variant.is_in_place:
        raise InputError(
            "--bootstrap-ignition", f"a config for a bootstrap machine, but {scenario} is a "
            "single node",
            "Use the config of `openshift-install create single-node-ignition-config`, or run "
            "the scenario ipi_bootstrap.",
        )  # fmt: skip
    on_disk = (*site.access, *pivot.followed(), around_proxy_on_disk(variant.proxy), _probe(site))
    return _merged(
        site, document, *pieces(site, variant), install.followed(whole(on_disk), variant.disk)
    )


def pieces(site: Site, variant: Variant) -> tuple[Config, ...]:
    """Return what is added to the config of the first boot."""
    reported = reports(variant.overlay_unit, variant.reported)
    return (*site.access, reported, around_proxy(variant.proxy), _probe(site))


def live_config(site: Site, document: Document) -> Document:
    """Return `document`, the config of a live system with an agent, with what the harness adds.

    The units of live-apply come while the system runs. Their drop-ins are there before them.

    Raises:
        InputError: the config is damaged.
    """
    proxy = around_proxy(live_variant_of(document).proxy)
    reported = reports(_OVERLAY, _REPORTED_LATER)
    return _merged(site, document, *site.access, reported, assisted.followed(), proxy, _probe(site))


def noted(machine: str, given: Given) -> tuple[Check, ...]:
    """Return the check that reports which of the installer's ways the machine goes."""
    variant = given.installer or given.live
    if variant is None:
        return ()

    def note(running: Running, _: Deadline) -> None:
        running.watch.say(str(variant))
        running.watch.note(installer=str(variant))

    return (Check(machine=machine, name="installer-variant", act=note),)


def _probe(site: Site) -> Config:
    return Config(files=(probe_file(site.inputs.pause_image),))


def _merged(site: Site, document: Document, *added: Config) -> Document:
    return whole(added, (document, *site.inputs.extra_ignition))
