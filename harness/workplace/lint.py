"""The command `node-image lint-ignition`: images as in a test, without pytest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from harness.lint import inventory
from harness.lint.command_lint import Lint, judge_readings, read_files
from harness.model.errors import InputError
from harness.recording.artifacts import Artifacts, choose
from harness.workplace import options
from harness.workplace.workplace import Workplace


def lint_ignition(
    files: Sequence[Path],
    images: tuple[str | None, str | None],
    environment: Mapping[str, str],
    report: Callable[[str], None],
) -> Lint:
    """Return what the configs call and the bootimage lacks; without images of the stand-ins.

    `images` are the bootimage and the node image; the latter only names the package of a program.
    `environment` holds the plugin's options as variables.

    Raises:
        InputError: something that the user named cannot be used, or the host lacks something.
        HarnessError: the bootimage cannot be had, or does not boot.
    """
    readings = read_files(files)  # first, since the images may take minutes
    settings = _with_images(options.read({}, environment, {}, Path.cwd()), images)
    artifacts = Artifacts(choose(settings.artifacts_dir), settings.authfile)
    with closing(artifacts), closing(Workplace(settings, report, artifacts)) as place:
        ready = place.preparation
        if settings.node_image:
            _ = ready.node_image  # one that cannot be used is reported before the bootimage boots
        found = inventory.known(ready.bootimage) or inventory.take(ready.bootimage, place.rig)
        contents = ready.contents if settings.node_image or settings.is_stand_in else None
        return judge_readings(readings, found, contents)


def _with_images(
    settings: options.Settings, images: tuple[str | None, str | None]
) -> options.Settings:
    bootimage, node_image = images
    if bootimage is None and node_image is None:
        options.require_bootable(settings)
        return settings
    if bootimage is None and settings.bootimage is None:
        problem = "given without a bootimage"
        remedy = "Add --bootimage, or remove both options to use the stand-ins."
        raise InputError("--node-image", problem, remedy)
    return replace(
        settings,
        bootimage=bootimage or settings.bootimage,
        node_image=node_image,
        release_image=None,
    )
