"""The way from `node-image lint-ignition` to its verdict: images as in a test, without pytest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from harness.scenarios import inventory
from harness.verdict.command_lint import Lint, lint_files
from harness.wiring import options
from harness.wiring.artifacts import Artifacts, choose
from harness.wiring.workplace import Workplace


def lint_ignition(
    files: Sequence[Path],
    images: tuple[str | None, str | None],
    environment: Mapping[str, str],
    tell: Callable[[str], None],
) -> Lint:
    """Return what the configs call that the bootimage lacks; None for both images: the stand-ins.

    `images` are the bootimage and the node image, the latter only to name what brings a program.
    `environment` holds the plugin's options as variables.

    Raises:
        InputError: something that the user named cannot be used, or the host lacks something.
        HarnessError: the bootimage cannot be had, or does not boot.
    """
    bootimage, node_image = images
    settings = options.read({}, environment, {}, Path.cwd())
    if bootimage is not None:
        settings = replace(settings, bootimage=bootimage, node_image=node_image, release_image=None)
    artifacts = Artifacts(choose(settings.artifacts_dir), settings.authfile)
    with closing(artifacts), closing(Workplace(settings, tell, artifacts)) as place:
        ready = place.preparation
        found = inventory.known(ready.bootimage) or inventory.take(ready.bootimage, place.rig)
        contents = ready.contents if settings.node_image or settings.is_stand_in else None
        return lint_files(files, found, contents)
