"""Builds the stand-in images if they are not cached, and returns where they are.

The cache key covers the recipe, the code of the build, and the package versions. `inside.py` does
the work in namespaces of its own, in a folder that is renamed when it is complete.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from harness import doctor, process
from harness.cluster import payload
from harness.cluster.payload import Payload
from harness.folders import cache_dir
from harness.host_needs import Purpose
from harness.images import cpio, live_iso
from harness.images.acquire.progress import Reporter
from harness.images.live_media import LiveMedia
from harness.images.oci import writing
from harness.machine.ownership.locks import lock
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, RigError
from harness.standin import live, oci, recipe, rootfs
from harness.waiting import WaitReporter

LOG = logging.getLogger(__name__)
LIMIT_S = 45 * 60.0
_VERSIONS_FRESH_S = 24 * 3600.0
# The build stops itself a little before its owner would, with the better message.
_MARGIN_S = 30.0
PAYLOAD = "payload"
"""The folder of the release's own images and programs."""
_KEPT = 2  # Finished builds that stay in the cache, the newest first.


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """The built images: two qcow2 bootimages, and two OCI layouts with the tag `latest`."""

    folder: Path

    @property
    def bootimage(self) -> Path:
        """The bare bootimage: only the CoreOS layer."""
        return self.folder / "bootimage.qcow2"

    @property
    def fat_bootimage(self) -> Path:
        """A bootimage with the node layer's content inside, as before the split."""
        return self.folder / "fat.qcow2"

    @property
    def live(self) -> LiveMedia:
        """The live media of the same bare CoreOS layer."""
        folder = self.folder / "live"
        return LiveMedia(
            iso=folder / live.ISO, kernel=folder / live.KERNEL,
            initramfs=folder / live.INITRAMFS, rootfs=folder / live.ROOTFS,
            metal=folder / live.METAL,
        )  # fmt: skip

    @property
    def node_image(self) -> str:
        """The reference of the node image, whose lower layer is the base image's."""
        return f"oci:{self.folder / 'node'}:{oci.TAG}"

    @property
    def payload(self) -> Payload:
        """The release's own images, and their programs for the host."""
        return Payload(folder=self.folder / PAYLOAD)

    @property
    def version(self) -> str:
        """The CoreOS version, such as `9.6.20250203-0`."""
        return (self.folder / "version").read_text(encoding="utf-8")


def ensure(deadline: Deadline, report: Reporter, *, rebuild: bool = False) -> StandIn:
    """Return the stand-ins for today's packages; build them if they are not cached.

    Raises:
        CommandError: the build failed; the message ends with the failing command's output.
        RigError: neither cached nor buildable.
    """
    report = WaitReporter.of(report)
    root = cache_dir() / "standin"
    root.mkdir(exist_ok=True)
    with ExitStack() as stack:
        with report.awaiting("stand-in: waiting for another process that builds the images"):
            stack.enter_context(lock(root / "lock", deadline))
        _remove_partial(root, deadline)
        with report.awaiting("stand-in: asking Debian for the versions of its packages"):
            target = _target(root, deadline, report)
        if rebuild or not target.exists():
            _build(root, target, deadline, report)
        os.utime(target)
        _forget_old(root, deadline)
    return StandIn(folder=target)


def _target(root: Path, deadline: Deadline, report: Reporter) -> Path:
    here = _recipe_key()
    remembered = _versions(root)
    if not _is_fresh(remembered):
        try:
            versions = rootfs.resolve_versions(recipe.load(), deadline)
        except (process.CommandError, process.MissingProgramError) as exc:
            newest = max(root.glob(f"{here}-*"), key=lambda p: p.stat().st_mtime, default=None)
            if newest is None:
                doctor.demand([Purpose.STANDIN])  # Names all that is missing, not only the first.
                raise
            report(f"stand-in: package versions cannot be asked ({exc}); using the newest build")
            return newest
        remembered.write_text("\n".join(versions), encoding="utf-8")
    return root / f"{here}-{recipe.key_of(remembered.read_text().splitlines(), ())}"


def _versions(root: Path) -> Path:
    return root / f"{_recipe_key()}.versions"


def _recipe_key() -> str:
    # The code of other rooms that the build uses.
    files = (Path(str(module.__file__)) for module in (cpio, live_iso, writing, payload))
    return recipe.key_of((), (recipe.FOLDER, Path(__file__).parent, *files))


def _is_fresh(path: Path) -> bool:
    return path.exists() and time.time() - path.stat().st_mtime < _VERSIONS_FRESH_S


def _build(root: Path, target: Path, deadline: Deadline, report: Reporter) -> None:
    doctor.demand([Purpose.STANDIN])
    partial = root / f"{target.name}.partial"
    partial.mkdir()
    kept = root / "kept"
    kept.mkdir(exist_ok=True)
    report(f"stand-in: building the images from Debian packages; {_cost(kept)}; kept in {root}")
    argv: list[str | os.PathLike[str]] = [
        *as_root(),
        sys.executable,
        "-m",
        "harness.standin.inside",
        partial,
        kept,
        _versions(root),
    ]
    argv.append(str(max(0.0, deadline.remaining_s - _MARGIN_S)))
    try:
        run_build(argv, root / f"{target.name}.log", deadline, report)
        if target.exists():
            _remove(target, deadline)
        partial.rename(target)
    finally:
        if partial.exists():
            _remove(partial, Deadline.after(120.0))


def _cost(kept: Path) -> str:
    """Return what a build takes with what is kept of earlier ones, as measured on 2 cores."""
    if any(kept.glob("kubelet-*")):
        return "on 2 cores about 3 minutes, 3 GiB of disk"
    return "on 2 cores about 10 minutes, 0.5 GiB of downloads, 4 GiB of disk"


def run_build(
    argv: Sequence[str | os.PathLike[str]], log: Path, deadline: Deadline, report: Reporter
) -> None:
    """Run a build and report its steps, and what it is doing while it says nothing new.

    Its lines are `STEP<tab>SECONDS` at the end of a step, and without a tab what it does now. `log`
    is the file of its standard error while it runs.

    Raises:
        RigError: it failed; the message ends with its standard error.
        DeadlineError: it closed its output but still runs at the deadline.
    """
    now = "stand-in: build"
    report = WaitReporter.of(report)
    try:
        with (
            log.open("wb") as stderr,
            process.start(argv, stderr=stderr.fileno()) as child,
            report.awaiting(lambda: now),
        ):
            for line in child.stdout or ():
                name, tab, seconds = line.decode().rstrip("\n").partition("\t")
                now = f"stand-in: {name}"
                if tab:
                    report(f"{now} ({seconds} s)")
            status = child.wait(timeout=deadline.remaining_s)
        output = log.read_text(encoding="utf-8", errors="replace")
    except subprocess.TimeoutExpired as exc:
        goal, remedy = "build of the stand-ins", "Run it again; it continues with what is cached."
        raise DeadlineError(goal, deadline.limit_s, "still running", remedy) from exc
    finally:
        log.unlink(missing_ok=True)
    if status != 0:
        problem = f"exited {status}: {output.strip()[-2000:]}"
        raise RigError(
            "build of the stand-ins", problem, "Check this host with `node-image doctor`."
        )


def as_root() -> list[str]:
    """Return the command prefix that runs a program as root of its own mounts and processes.

    Run by root, the kernel kills it when its owner ends. A user's namespace loses that setting:
    there the build ends when it next writes to the closed pipe.
    """
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() == 0:
        return ["setpriv", "--pdeathsig", "KILL", *namespaces]
    return [*namespaces, "--user", "--map-root-user", "--map-auto"]


def _remove_partial(root: Path, deadline: Deadline) -> None:
    for partial in root.glob("*.partial"):
        _remove(partial, deadline)


def _forget_old(root: Path, deadline: Deadline) -> None:
    builds = sorted(
        (p for p in root.glob("*-*") if (p / "version").exists()), key=lambda p: p.stat().st_mtime
    )
    for old in builds[:-_KEPT]:
        _remove(old, deadline)


def _remove(folder: Path, deadline: Deadline) -> None:
    # In the namespace: the files belong to users that exist only there.
    with suppress(FileNotFoundError):
        process.run([*as_root(), "rm", "-rf", "--one-file-system", folder], deadline)
