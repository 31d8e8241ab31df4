"""The images of a run, served to its guests by a registry: the inputs of all plays."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property

from harness.cluster.release_payload import NODE_IMAGE, PAUSE, ReleasePayload, push_release
from harness.images.container.pause import write_pause_image
from harness.images.container.registry import Registry, serve
from harness.images.container.skopeo import Source
from harness.machine.forking.store import Store
from harness.machine.ownership.run import Run
from harness.model.clock import Deadline
from harness.model.drawn import Drawing
from harness.player.inputs import Inputs
from harness.player.keeping import Keeping
from harness.waiting import WaitReporter
from harness.workplace.options import Checkpoints, Settings
from harness.workplace.preparation import Preparation
from harness.workplace.registry import served_again
from harness.workplace.shared import Services, Share

_REGISTRY_S = 60.0
_PUSH_S = 1800.0


class Served:
    """What guests of a run pull, pushed at the first use of `inputs`; `stack` ends the registry.

    The registry is the one that `share` has, if any. `keeping` is where checkpoints of the run are
    kept; None until the registry is there, and if they end with this process.
    """

    def __init__(
        self, ready: Preparation, settings: Settings, run: Run, *, report: WaitReporter,
        stack: ExitStack, share: Share | None = None,
    ) -> None:  # fmt: skip
        self.keeping: Keeping | None = None
        self._ready = ready
        self._settings = settings
        self._run = run
        self._report = report
        self._stack = stack
        self._share = share

    @cached_property
    def inputs(self) -> Inputs:
        """Everything that is tested."""
        ready = self._ready
        image = ready.node_image
        remote = image.reference.is_remote
        registry = self._registry()
        if not remote:
            _ = ready.contents  # for the missing commands of a boot; cached, seconds at first
        return Inputs(
            images=ready.images,
            node_image=image,
            pull_spec=image.reference.rest if remote else self._push_node_image(registry),
            pause_image=self._push_pause(registry),
            registry=registry,
            authfile=ready.authfile if remote else None,
            extra_ignition=ready.extra_ignition,
            bootstrap_ignition=ready.bootstrap_ignition,
            live_ignition=ready.live_ignition,
            paths_to_observe=ready.expectations.paths_to_observe,
            package_of=ready.package_of,
            known_package_of=ready.known_package_of,
            payload=ready.payload,
            release=lambda: self._release,
        )

    @cached_property
    def _release(self) -> ReleasePayload | None:
        inputs, deadline = self.inputs, Deadline.after(_PUSH_S)
        if inputs.payload is None:
            return None
        known = {NODE_IMAGE: inputs.pull_spec, PAUSE: inputs.pause_image}
        with self._report.awaiting("serving the release's images to the guests"):
            return push_release(inputs.registry, inputs.payload, known, deadline)

    def _registry(self) -> Registry:
        settings, deadline = self._settings, Deadline.after(_REGISTRY_S)
        if self._share is not None and (shared := self._share.services()) is not None:
            return self._shared(shared, self._share)
        if not settings.checkpoints.outlive_runs:
            return self._stack.enter_context(serve(self._run.folder, deadline))
        store = self._stack.enter_context(Store.of_user(self._report))
        registry, drawn = self._stack.enter_context(
            served_again(self._run, store, settings.scenarios, deadline, self._report)
        )
        self.keeping = self._keeping(store, drawn)
        return registry

    def _shared(self, services: Services, share: Share) -> Registry:
        store = self._stack.enter_context(Store(services.checkpoints, self._report))
        keeping = self._keeping(store, services.drawn)
        self.keeping = replace(keeping, note_usable=share.note_usable)
        return services.registry

    def _keeping(self, store: Store, drawn: tuple[Drawing, ...]) -> Keeping:
        checkpoints = self._settings.checkpoints
        return Keeping(
            store=store, registry=drawn, has_authfile=self._settings.authfile is not None,
            # What ends with the run may have secrets, as its machines have.
            with_secrets=checkpoints is not Checkpoints.KEEP,
            outlives_run=checkpoints.outlive_runs,
        )  # fmt: skip

    def _push_node_image(self, registry: Registry) -> str:
        image = self._ready.node_image
        self._report(f"serving {image.reference} ({image.size_bytes >> 20} MiB) to the guests")
        # By digest, because the tag may refer to another image now.
        source = replace(
            self._ready.node_source, reference=image.reference, size_bytes=image.size_bytes
        )
        return registry.push(source, "node-image", Deadline.after(_PUSH_S))

    def _push_pause(self, registry: Registry) -> str:
        arch = self._ready.emulator.arch.name
        reference = write_pause_image(self._run.folder / "pause", arch)
        return registry.push(
            Source(reference=reference, arch=arch), "pause", Deadline.after(_PUSH_S)
        )
