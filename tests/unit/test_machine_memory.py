from __future__ import annotations

from pathlib import Path

import pytest
from machine_fakes import make_run

from harness.machine.ownership.locks import lock
from harness.machine.ownership.memory import (
    MIB,
    Cgroup,
    MemoryShortageError,
    Survey,
    parse_cgroup,
    parse_cgroup_paths,
    parse_meminfo,
    reserve,
    survey,
)
from harness.machine.ownership.run import Run
from harness.model.clock import Deadline
from harness.model.errors import RigError

MEMINFO = "MemTotal:       8388608 kB\nMemFree:        1 kB\nMemAvailable:   4194304 kB\n"
V1_UNLIMITED = "9223372036854771712\n"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def v2(folder: str, limit: str, current: int, inactive: int = 0) -> dict[str, str]:
    return {
        f"{folder}/memory.max": f"{limit}\n",
        f"{folder}/memory.current": f"{current}\n",
        f"{folder}/memory.stat": f"anon 5\ninactive_file {inactive}\nactive_file 7\n",
    }


def host(root: Path, cgroup: str = "0::/\n") -> Path:
    return write(root, {"proc/meminfo": MEMINFO, "proc/self/cgroup": cgroup})


def test_available_memory_is_not_free_memory() -> None:
    assert parse_meminfo(MEMINFO) == 4096 * MIB


def test_meminfo_without_the_line_is_an_error() -> None:
    with pytest.raises(RigError, match="MemAvailable"):
        parse_meminfo("MemTotal: 1 kB\n")


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("0::/user.slice/x\n", ("/user.slice/x", None)),
        ("9:name=systemd:/\n4:cpu,memory:/pod/a\n0::/\n", ("/", "/pod/a")),
        ("3:cpuset:/\n", (None, None)),
        ("0::/a:b\n", ("/a:b", None)),
    ],
)
def test_cgroup_paths_are_found(text: str, paths: tuple[str | None, str | None]) -> None:
    assert parse_cgroup_paths(text) == paths


def test_page_cache_that_can_be_reclaimed_is_not_in_use() -> None:
    stat = "cache 900\ntotal_inactive_file 300\n"

    found = parse_cgroup("1000\n", "700\n", stat, "total_inactive_file")

    assert found == Cgroup(limit_bytes=1000, used_bytes=400)
    assert found.headroom_bytes == 600


def test_no_cgroup_limit_is_none() -> None:
    assert parse_cgroup("max\n", "700\n", "", "inactive_file") is None


def test_a_cgroup_over_its_limit_has_no_headroom() -> None:
    assert Cgroup(limit_bytes=10, used_bytes=20).headroom_bytes == 0


def test_without_a_limit_the_host_decides(tmp_path: Path) -> None:
    found = survey(host(tmp_path))

    assert found.cgroup is None
    assert found.available_bytes == 4096 * MIB


def test_the_tightest_level_of_the_cgroup_tree_decides(tmp_path: Path) -> None:
    host(tmp_path, "0::/pod/job\n")
    write(tmp_path, v2("sys/fs/cgroup/pod", str(3072 * MIB), 1536 * MIB, 512 * MIB))
    write(tmp_path, v2("sys/fs/cgroup/pod/job", "max", 0))

    assert survey(tmp_path).available_bytes == 2048 * MIB


def test_a_container_whose_path_is_the_hosts_still_finds_its_limit(tmp_path: Path) -> None:
    host(tmp_path, "0::/kubepods/pod1/container2\n")
    write(tmp_path, v2("sys/fs/cgroup", str(1024 * MIB), 256 * MIB))

    assert survey(tmp_path).available_bytes == 768 * MIB


def test_version_1_limits_are_read(tmp_path: Path) -> None:
    host(tmp_path, "4:memory:/a\n0::/\n")
    folder = "sys/fs/cgroup/memory/a"
    write(tmp_path, {
        f"{folder}/memory.limit_in_bytes": f"{1024 * MIB}\n",
        f"{folder}/memory.usage_in_bytes": f"{512 * MIB}\n",
        f"{folder}/memory.stat": f"total_inactive_file {256 * MIB}\n",
    })  # fmt: skip

    assert survey(tmp_path).available_bytes == 768 * MIB


def test_version_1_without_a_limit_is_no_limit(tmp_path: Path) -> None:
    host(tmp_path, "4:memory:/\n")
    folder = "sys/fs/cgroup/memory"
    write(tmp_path, {
        f"{folder}/memory.limit_in_bytes": V1_UNLIMITED,
        f"{folder}/memory.usage_in_bytes": "5\n",
        f"{folder}/memory.stat": "total_inactive_file 1\n",
    })  # fmt: skip

    assert survey(tmp_path).cgroup is None


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(tmp_path / "runs")


def test_what_does_not_fit_is_refused_with_the_figures(tmp_path: Path, run: Run) -> None:
    root = host(tmp_path)
    write(root, v2("sys/fs/cgroup", str(3072 * MIB), 2048 * MIB))

    with pytest.raises(MemoryShortageError) as caught, reserve(run.folder, "one", 2048, root):
        pass

    text = str(caught.value)
    assert caught.value.wanted_mib == 2048
    assert "2048 MiB needed, 1024 MiB available" in text
    assert "host available 4096 MiB" in text
    assert "cgroup limit 3072 MiB with 2048 MiB in use" in text


def test_reservations_of_live_runs_count_and_end(tmp_path: Path, run: Run) -> None:
    root = host(tmp_path)
    other = make_run(run.runs, "run-000001")

    with lock(other.folder / "lock", Deadline.after(1)):
        with (
            reserve(other.folder, "one", 3000, root),
            pytest.raises(MemoryShortageError, match="not yet used 3000 MiB"),
            reserve(run.folder, "one", 2000, root),
        ):
            pass
        with reserve(run.folder, "one", 2000, root):
            assert (run.folder / "memory/one").read_text() == "2000"

    assert not (run.folder / "memory/one").exists()


def test_reservations_of_dead_runs_do_not_count(tmp_path: Path, run: Run) -> None:
    root = host(tmp_path)
    dead = make_run(run.runs, "run-000001")
    write(dead.folder, {"memory/one": "4000"})

    with reserve(run.folder, "one", 2000, root):
        assert (run.folder / "memory/one").exists()


def test_nothing_is_reserved_when_refused(tmp_path: Path, run: Run) -> None:
    with pytest.raises(MemoryShortageError), reserve(run.folder, "one", 99999, host(tmp_path)):
        pass

    assert not (run.folder / "memory").exists()


def test_available_memory_is_never_negative() -> None:
    assert Survey(host_bytes=1, cgroup=None, reserved_bytes=2).available_bytes == 0
