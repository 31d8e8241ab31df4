from __future__ import annotations

from pathlib import Path

import pytest

from harness.machine.ownership.memory import (
    MIB,
    Cgroup,
    Survey,
    capacity_bytes,
    parse_cgroup,
    parse_cgroup_paths,
    parse_meminfo,
    survey,
)
from harness.model.errors import RigError

MEMINFO = "MemTotal:       8388608 kB\nMemFree:        1 kB\nMemAvailable:   4194304 kB\n"
V1_UNLIMITED = "9223372036854771712\n"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def v2(
    folder: str, limit: str, current: int, inactive: int = 0, high: str = "max"
) -> dict[str, str]:
    return {
        f"{folder}/memory.high": f"{high}\n",
        f"{folder}/memory.max": f"{limit}\n",
        f"{folder}/memory.current": f"{current}\n",
        f"{folder}/memory.stat": f"anon 5\ninactive_file {inactive}\nactive_file 0\n",
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

    found = parse_cgroup(("1000\n",), "700\n", stat, ("total_inactive_file",))

    assert found == Cgroup(limit_bytes=1000, used_bytes=400)
    assert found.headroom_bytes == 600


def test_no_cgroup_limit_is_none() -> None:
    assert parse_cgroup(("max\n", "max\n"), "700\n", "", ("inactive_file",)) is None


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


def test_a_cgroup_is_slowed_down_above_its_high_mark(tmp_path: Path) -> None:
    host(tmp_path, "0::/job\n")
    write(tmp_path, v2("sys/fs/cgroup/job", str(3 << 30), 256 * MIB, high=str(1 << 30)))

    assert survey(tmp_path).available_bytes == 768 * MIB
    assert capacity_bytes(tmp_path) == 1 << 30


def test_a_cgroup_without_a_high_mark_has_its_limit(tmp_path: Path) -> None:
    host(tmp_path, "0::/job\n")
    files = v2("sys/fs/cgroup/job", str(1 << 30), 0)
    write(tmp_path, {name: text for name, text in files.items() if "high" not in name})

    assert survey(tmp_path).available_bytes == 1 << 30


def test_files_that_are_read_often_are_reclaimed_as_well(tmp_path: Path) -> None:
    host(tmp_path)
    files = v2("sys/fs/cgroup", str(3 << 30), 3 << 30, 1 << 30)
    files["sys/fs/cgroup/memory.stat"] += f"active_file {1 << 30}\n"
    write(tmp_path, files)

    assert survey(tmp_path).available_bytes == 2 << 30


def test_a_cgroup_outside_of_the_namespace_is_not_looked_for(tmp_path: Path) -> None:
    root = host(tmp_path / "root", "0::/../../other\n")
    write(root, v2("sys/other", str(MIB), 0))
    write(root, v2("sys/fs/cgroup", str(1 << 30), 0))

    assert survey(root).available_bytes == 1 << 30


def test_capacity_is_the_lowest_limit_whatever_is_in_use(tmp_path: Path) -> None:
    host(tmp_path, "0::/pod/job\n")
    assert capacity_bytes(tmp_path) == 8 << 30
    write(tmp_path, v2("sys/fs/cgroup/pod", str(3 << 30), 3 << 30))
    write(tmp_path, v2("sys/fs/cgroup/pod/job", str(4 << 30), 0))

    assert capacity_bytes(tmp_path) == 3 << 30


def test_available_memory_is_never_negative() -> None:
    assert Survey(host_bytes=1, cgroup=None, reserved_bytes=2).available_bytes == 0
