"""Seconds, bytes and memory of the contract's commands: `tox -e bench`. Printed, never judged.

The image has a real one's shape, 700 packages in 51 layers, and is small unless --bench-size=real
is given. Each command runs in a process of its own, as a user starts it. Seconds drift between
hosts and within a run, so each round asks everything once, and what to compare are the ratios to
one pass of gunzip over both images in the same round. On a busy host those of CPU time say more.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import pytest
from benchmarks.contract import add_commands
from benchmarks.figures import Part, measuring
from standin_images.large import SHAPES, Pair, write_pair
from standin_images.recipe import HERE

from harness import process
from harness.contract.reading.access import Access
from harness.contract.reading.inspect import open_image
from harness.folders import cache_dir
from harness.images.acquire.cache import Cache
from harness.images.container import registry
from harness.images.container.skopeo import Source
from harness.images.reference import parse
from harness.model.clock import Deadline

ROUNDS = 3
LIMIT_S = 3600.0
CAP_BYTES = 8 << 30
SENT = re.compile(r'http.request.method=GET .*?http.request.uri="?/v2/\S+/blobs/.*'
                  r"http.response.written=(\d+)")  # fmt: skip
MEASURED = """
import resource, sys
from harness.cli import main
try:
    main()
finally:
    # ru_maxrss of this process would be that of the one it was forked from.
    ours = open("/proc/self/status").read().rpartition("VmHWM:")[2].split()[0]
    usages = [resource.getrusage(who)
              for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu_s = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    print("cost", cpu_s, int(ours) >> 10, usages[1].ru_maxrss >> 10, file=sys.stderr)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a command cost: the peak memory is that of Python, and of the largest child."""

    seconds: float
    cpu_seconds: float
    peak_mib: int = 0
    child_peak_mib: int = 0


@pytest.fixture
def part() -> Iterator[Part]:
    with measuring("contract") as found:
        yield found


def test_contract_is_measured(tmp_path: Path, request: pytest.FixtureRequest, part: Part) -> None:
    shape = SHAPES[request.config.getoption("bench_size")]
    report = cache_dir() / "bench-contract.json"
    with Cache(cache_dir() / "bench-images", CAP_BYTES) as kept:
        pair = write_pair(shape, kept)
        rounds = [one_round(pair, tmp_path) for _ in range(ROUNDS)]
        sent, shares = from_registry(pair, tmp_path)
        names = list(rounds[0])
        figures = {
            "shape": request.config.getoption("bench_size"),
            "layers": count_of_layers(pair),
            "packed_mib": packed_bytes(pair.layered) >> 20,
            "seconds": {n: [round(r[n].seconds, 2) for r in rounds] for n in names},
            "cpu_seconds": {n: [round(r[n].cpu_seconds, 2) for r in rounds] for n in names},
            "of_a_gunzip_pass": {n: median_of(rounds, n, "seconds") for n in names},
            "cpu_of_a_gunzip_pass": {n: median_of(rounds, n, "cpu_seconds") for n in names},
            "peak_mib": {n: max(r[n].peak_mib for r in rounds) for n in names},
            "child_peak_mib": {n: max(r[n].child_peak_mib for r in rounds) for n in names},
            "sent_by_registry_bytes": sent,
            "sent_share": shares,
        }
    report.write_text(json.dumps(figures, indent=2))
    add_commands(part, figures)
    print(json.dumps(figures, indent=2), report, sep="\n")

    assert all(one.seconds > 0 for each in rounds for one in each.values())
    assert all(sent.values())


def median_of(rounds: list[dict[str, Asked]], name: str, unit: str) -> float:
    ratios: list[float] = [
        getattr(one[name], unit) / getattr(one["gunzip"], unit) for one in rounds
    ]
    return round(median(ratios), 3)


def one_round(pair: Pair, place: Path) -> dict[str, Asked]:
    """Ask everything once; answers are first cold, then from the cache."""
    both = (pair.legacy, pair.layered)
    found = {"gunzip": timed(lambda: gunzip(pair))}
    for name, words in {
        "quick inspect": ("inspect", pair.layered),
        "deep inspect": ("inspect", "--deep", pair.layered),
        "diff": ("diff", *both),  # 1: labels and layers differ
        "equivalent": ("equivalent", *both),
    }.items():
        with TemporaryDirectory(dir=place) as answers:
            found[f"{name}, cold"] = asked(answers, *words)
            found[f"{name}, cached"] = asked(answers, *words)
    found["skopeo copy, tar and rpm -qa"] = timed(lambda: by_other_tools(pair.layered, place))
    return found


def asked(answers: str, *words: str) -> Asked:
    """Run `node-image` with its own cache of answers."""
    argv = [sys.executable, "-c", MEASURED, *words]
    begun = perf_counter()
    done = process.run(argv, deadline(), check=False, env={"XDG_CACHE_HOME": answers})
    spent = perf_counter() - begun
    assert done.status == (words[0] == "diff"), done.stderr
    cpu_s, ours, theirs = done.stderr.rpartition("cost ")[2].split()
    return Asked(
        seconds=spent, cpu_seconds=float(cpu_s), peak_mib=int(ours), child_peak_mib=int(theirs)
    )


def gunzip(pair: Pair) -> None:
    """Unpack the layers of both images once, as the fastest reader has to."""
    process.run(["gzip", "--test", *layers_of(pair.layered), *layers_of(pair.legacy)], deadline())


def by_other_tools(reference: str, place: Path) -> None:
    """Answer the question for the packages without this project: copy, unpack, ask rpm."""
    with TemporaryDirectory(dir=place) as folder:
        process.run(["skopeo", "copy", reference, f"dir:{folder}/copy"], deadline())
        root = Path(folder, "root")
        root.mkdir()
        for digest in digests_of(reference):
            blob = Path(folder, "copy", digest)
            process.run(["tar", "--extract", "--gzip", "-f", blob, "-C", root], deadline())
        done = process.run(
            ["rpm", f"--dbpath={root}/usr/share/rpm", "--define=_db_backend sqlite", "-qa"],
            deadline(),
        )  # fmt: skip
        assert len(done.stdout.splitlines()) > 1


def from_registry(pair: Pair, place: Path) -> tuple[dict[str, int], dict[str, float]]:
    """Return the bytes of blobs that a registry sends for each command, and their share."""
    sent = {}
    with registry.serve(place, deadline()) as served:
        source = Source(reference=parse(pair.layered), arch=HERE)
        digest = served.push(source, "node", deadline()).rpartition("@")[2]
        there = f"docker://127.0.0.1:{served.port}/node@{digest}"
        trust = f"--cert-dir={served.folder / 'trust'}"
        for name, words in {"quick inspect": (), "deep inspect": ("--deep",)}.items():
            with sent_bytes(place / "registry.log") as counted, TemporaryDirectory() as answers:
                asked(answers, "inspect", *words, trust, there)
            sent[name] = counted()
    whole = packed_bytes(pair.layered)
    return sent, {name: round(found / whole, 6) for name, found in sent.items()}


@contextmanager
def sent_bytes(log: Path) -> Iterator[Callable[[], int]]:
    """Give what the registry's log says was sent of blobs since the block began."""
    before = log.stat().st_size
    yield lambda: sum(map(int, SENT.findall(log.read_text()[before:])))


def layers_of(reference: str) -> list[Path]:
    folder = Path(reference.removeprefix("oci:"), "blobs", "sha256")
    return [folder / digest for digest in digests_of(reference)]


def digests_of(reference: str) -> list[str]:
    with open_image(reference, Access(arch=HERE), deadline()) as reader:
        return [layer.digest.removeprefix("sha256:") for layer in reader.layers]


def count_of_layers(pair: Pair) -> int:
    return len(digests_of(pair.layered))


def packed_bytes(reference: str) -> int:
    return sum(path.stat().st_size for path in layers_of(reference))


def timed(act: Callable[[], object]) -> Asked:
    begun, before = perf_counter(), getrusage(RUSAGE_CHILDREN)
    act()
    spent, after = perf_counter() - begun, getrusage(RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Asked(seconds=spent, cpu_seconds=cpu_s)


def deadline() -> Deadline:
    return Deadline.after(LIMIT_S)
