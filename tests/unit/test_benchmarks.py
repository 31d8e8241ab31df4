"""What all benchmarks share: one file of figures, one table, and the state of the host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.contract import add_commands
from benchmarks.figures import Part, measuring, parts_of
from benchmarks.host import Moment, cpu_s_of, other_qemus, private_mib
from benchmarks.pull import stages_of
from benchmarks.table import table

ROLLUP = """\
55d0c3e00000-7ffd3a5f6000 ---p 00000000 00:00 0                          [rollup]
Rss:             2097152 kB
Pss:              524288 kB
Pss_Dirty:        204800 kB
Pss_Anon:           1024 kB
Private_Clean:     10240 kB
Private_Dirty:    153600 kB
"""


def part(load: float = 0.1, others: int = 0) -> Part:
    moment = Moment(load=load, other_qemus=others)
    return Part(name="boot", began="2026-11-27T15:00:00+00:00", at_start=moment, at_end=moment)


def lines_of(*parts: Part) -> list[str]:
    return table(parts).splitlines()


def test_parts_of_several_processes_are_in_one_file(tmp_path: Path) -> None:
    document = tmp_path / "bench.json"
    for name, value in (("boot", 1.0), ("forks", 2.0), ("boot", 3.0)):
        with measuring(name, document=document) as found:
            found.add("answer", [value], "s", at_most=2.0)

    assert {one.name: one.figures[0].value for one in parts_of(document)} == {
        "boot": 3.0, "forks": 2.0,
    }  # fmt: skip
    assert parts_of(document)[0].figures[0].is_met is False


def test_a_part_that_fails_keeps_its_figures_and_says_so(tmp_path: Path) -> None:
    document = tmp_path / "bench.json"

    def fail() -> None:
        with measuring("boot", document=document) as found:
            found.add("answer", [1.0], "s")
            raise RuntimeError("no login\nat all")

    with pytest.raises(RuntimeError):
        fail()

    (kept,) = parts_of(document)
    assert (len(kept.figures), kept.problem) == (1, "no login")
    assert any("NOT COMPLETE: no login" in line for line in lines_of(kept))


def test_a_ratio_is_the_median_of_the_ratios_by_round() -> None:
    found = part()

    # The host is three times slower in the second round: for both.
    assert found.ratio("ours over bare", [11.0, 33.0, 10.0], [10.0, 30.0, 10.0]) == 1.1
    assert found.figures[0].samples == (1.1, 1.1, 1.0)


@pytest.mark.parametrize(("ones", "others"), [([1.0], []), ([], []), ([1.0], [1.0, 2.0])])
def test_a_ratio_needs_both_in_each_round(ones: list[float], others: list[float]) -> None:
    with pytest.raises(ValueError, match=r"no sample|zip"):
        part().ratio("ours over bare", ones, others)


def test_an_estimate_is_marked_in_table_and_figure() -> None:
    found = part()
    found.estimate("20 tests, each cold", [50.0, 60.0], 20, "s")

    assert found.figures[0].value == 1100.0
    assert found.figures[0].is_estimate
    assert any("~1100 s" in line for line in lines_of(found))
    assert "boot, 20 tests, each cold: extrapolated from 2 of 20" in lines_of(found)


@pytest.mark.parametrize(
    ("aim", "said"),
    [
        ({"at_most": 1.03}, "at most 1.03: met"),
        ({"at_most": 1.01}, "at most 1.01: missed"),
        ({"at_least": 1.0}, "at least 1: met"),
        ({"at_least": 25.0}, "at least 25: missed"),
    ],
)
def test_an_aim_is_met_or_missed(aim: dict[str, float], said: str) -> None:
    found = part()
    found.add("ratio", [1.02], "times", **aim)  # type: ignore[arg-type]

    assert lines_of(found)[2].endswith(said)


@pytest.mark.parametrize(
    ("load", "others", "is_quiet"), [(0.1, 0, True), (0.1, 1, False), (64000.0, 0, False)]
)
def test_a_busy_host_is_named(load: float, others: int, is_quiet: bool) -> None:
    found = part(load, others)
    found.add("answer", [1.0], "s")

    assert ("NOT A QUIET HOST" not in table([found])) is is_quiet


def test_columns_are_aligned() -> None:
    found = part()
    found.add("a", [1.0], "s")
    found.add("a long name", [123456.0], "MiB")
    head, _, first, second = lines_of(found)[:4]

    assert head.index("median") == first.index("1.00 s") == second.index("123456 MiB")


def test_other_qemus_are_counted_by_program_and_folder(tmp_path: Path) -> None:
    words = {
        "1": "/usr/bin/qemu-system-x86_64\0-drive\0/tmp/run-1/disk",
        "2": "qemu-system-aarch64\0-drive\0/tmp/run-2/disk",
        "3": "grep\0qemu-system-x86_64",
        "self": "/usr/bin/qemu-system-x86_64",
    }
    for pid, line in words.items():
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "cmdline").write_bytes(line.encode())
    (tmp_path / "4").mkdir()  # it has ended

    assert other_qemus(Path("/tmp/run-1"), tmp_path) == 1  # noqa: S108 - only a name
    assert other_qemus(None, tmp_path) == 2


def test_private_memory_is_read_from_smaps_rollup() -> None:
    assert private_mib(ROLLUP) == (512.0, 150.0)
    assert private_mib("") == (0.0, 0.0)


def test_cpu_seconds_are_read_past_a_command_with_blanks_and_parentheses() -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    stat = f"42 (a) b (c) S 1 1 1 0 -1 4194560 9 0 0 0 {3 * ticks} {ticks} 77 77 20 0 3 0 12345 0 0"

    assert cpu_s_of(stat) == 4.0


def test_the_command_shows_one_table_and_names_the_file(tmp_path: Path) -> None:
    tests = Path(__file__).parents[1]
    env = {**os.environ, "ARTIFACT_DIR": str(tmp_path), "PYTHONPATH": str(tests)}

    def command(act: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "benchmarks", act]
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)

    empty = command("show")
    with measuring("boot", document=tmp_path / "bench.json") as found:
        found.add("answer", [1.0], "s")
    shown = command("show")
    begun = command("begin")

    assert (empty.returncode, "no benchmark has been run" in empty.stderr) == (1, True)
    assert "boot  answer  1.00 s" in shown.stdout
    assert str(tmp_path / "bench.json") in shown.stdout
    assert begun.returncode == 0
    assert not (tmp_path / "bench.json").exists()


def test_the_file_is_plain_json_by_part(tmp_path: Path) -> None:
    document = tmp_path / "bench.json"
    with measuring("boot", document=document, accelerator="tcg") as found:
        found.add("answer", [1.0], "s")

    known = json.loads(document.read_text())["parts"]["boot"]

    assert known["host"]["cpus"] == len(os.sched_getaffinity(0))
    assert known["accelerator"] == "tcg"
    assert set(known["at_start"]) == set(known["at_end"]) == {"load", "other_qemus"}


def test_commands_of_the_contract_are_compared_with_gunzip_by_round() -> None:
    found = part()
    figures = {
        "shape": "small", "layers": 51, "packed_mib": 78,
        "seconds": {"gunzip": [2.0, 4.0], "diff": [3.0, 6.0]},
        "peak_mib": {"gunzip": 0, "diff": 60}, "child_peak_mib": {"gunzip": 0, "diff": 70},
        "sent_share": {"quick inspect": 0.0002},
    }  # fmt: skip

    add_commands(found, figures)

    assert {one.name: (one.value, one.unit) for one in found.figures} == {
        "gunzip": (3.0, "s"), "diff": (4.5, "s"), "diff, over a pass of gunzip": (1.5, "times"),
        "diff, peak memory": (70, "MiB"), "quick inspect, sent by a registry": (0.02, "%"),
    }  # fmt: skip
    assert "boot: small image: 51 layers, 78 MiB" in lines_of(found)


def test_stages_of_a_pull_are_in_the_journal() -> None:
    said = {10: "Fetching layer sha256:1", 14: "Fetched layer sha256:1",
            15: "Fetching layer sha256:2", 19: "Fetched layer sha256:2",
            22: "Wrote: docker://h/node => 1f"}  # fmt: skip
    journal = "\n\n".join(
        # A binary field: its length, and here a line feed at its end.
        f"__REALTIME_TIMESTAMP={at_s}000000\n_SELINUX_CONTEXT\n\x0b\0\0\0\0\0\0\0unconfined\n\n"
        f"MESSAGE={text}\nPRIORITY=6"
        for at_s, text in said.items()
    )

    assert stages_of(journal) == {"pull: all layers": 9.0, "pull: merge": 3.0}
    with pytest.raises(ValueError, match="no pull came to its end"):
        stages_of(journal.partition("Wrote")[0])
