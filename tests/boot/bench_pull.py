"""A node image of a real one's size, pulled, applied and judged. Its seconds are never judged.

The image is the stand-in with ballast in its layers, built once (`standin_images.ballast`), unless
`--bootimage` and `--node-image` name others. It has no release, and so no control plane. Run it
alone, since the images are those of the whole run: `tox -e py -- tests/boot/bench_pull.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import monotonic

import pytest
from benchmarks.figures import Part, measuring
from benchmarks.pull import stages_of

from harness.images.container.node_image import NodeImage
from harness.images.container.registry import Registry
from harness.images.container.skopeo import Source
from harness.model.clock import Deadline
from harness.model.errors import ProductError
from harness.node.readiness import LEVELS, Level
from harness.player.applied import AppliedNode
from harness.player.inputs import Rig
from harness.plugin.state import workplace_of
from harness.verdict.rows import Row, applies

AIM_S = 15 * 60.0
ASK_S = 60.0
USED = "df --block-size=1M --output=used,size /sysroot | tail --lines=1"


@pytest.fixture(scope="session", autouse=True)
def part(node_image_rig: Rig) -> Iterator[Part]:
    """The part of the table; it notes the load of the host before the boot."""
    rig = node_image_rig
    with measuring("pull", own=rig.run.folder, accelerator=rig.acceleration.kind.value) as found:
        yield found


@pytest.fixture(scope="session", autouse=True)
def pushes(part: Part) -> Iterator[dict[str, float]]:
    """The seconds of each push to the run's registry, by name."""
    push, found = Registry.push, dict[str, float]()

    def timed(registry: Registry, source: Source, name: str, deadline: Deadline) -> str:
        began_s = monotonic()
        spec = push(registry, source, name, deadline)
        found[name] = monotonic() - began_s
        return spec

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Registry, "push", timed)
        yield found


def test_pull_of_a_real_size_is_measured(
    part: Part,
    pushes: dict[str, float],
    node_image: NodeImage,
    applied_node: AppliedNode,
    guest_deadline: Callable[[float], Deadline],
    verdict: Callable[[Row], None],
    reach: Callable[[Level], str],
    node_image_rig: Rig,
    request: pytest.FixtureRequest,
) -> None:
    rows = workplace_of(request.config).preparation.expectations.rows
    size_mb, layers = node_image.size_bytes / 1e6, len(node_image.layers)
    part.note = f"{node_image.reference}: {layers} layers, {size_mb:.0f} MB, the base among them"
    for name, spent_s in pushes.items():
        part.add(f"push of {name}", [spent_s], "s")
    add_stages(part, applied_node, node_image_rig)

    began_s = monotonic()
    failed = [row.id for row in rows if applies(row, applied_node.way) and not holds(row, verdict)]
    for level in LEVELS:
        reach(level)
    part.add(f"judge: {len(rows)} rows, {len(LEVELS)} levels", [monotonic() - began_s], "s")
    record = applied_node.watch.record
    part.add("power-on to judged", [record.elapsed_s], "s", at_most=AIM_S)
    add_sizes(part, applied_node, guest_deadline)

    assert failed == []


def add_stages(part: Part, node: AppliedNode, rig: Rig) -> None:
    record = node.watch.record
    for phase in record.phases:
        if phase.end_s is not None:
            part.add(phase.title, [phase.end_s - phase.begin_s], "s")
    journal = rig.evidence / record.folder / "journal.export"
    for name, spent_s in stages_of(journal.read_text(errors="replace")).items():
        part.add(name, [spent_s], "s")


def add_sizes(part: Part, node: AppliedNode, limit: Callable[[float], Deadline]) -> None:
    part.add("QEMU's peak memory", [node.machine.peak_memory_bytes() / (1 << 20)], "MiB")
    used, size = node.session.run(USED, limit(ASK_S), check=True).stdout.split()
    part.add("used of the guest's disk", [float(used)], "MiB", note=f"of {size} MiB")
    written = node.machine.domain.disks[0].path.stat().st_blocks * 512
    part.add("written to the machine's disk", [written / (1 << 20)], "MiB")


def holds(row: Row, verdict: Callable[[Row], None]) -> bool:
    try:
        verdict(row)
    except ProductError:
        return False
    return True
