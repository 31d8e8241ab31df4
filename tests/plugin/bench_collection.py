"""Collection with a table of 5 000 rows: seconds and peak memory. Printed, never judged.

The same project with one row shows what of it is Python's and pytest's start.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from time import monotonic

from benchmarks.figures import measuring

from harness import process
from harness.model.clock import Deadline

MANY, FEW = 5000, 1
ROUNDS = 3
LIMIT_S = 600.0
TEST = "def test_package(package_row, verdict):\n    verdict(package_row)\n"
MEASURED = """
import sys, pytest
status = pytest.main(sys.argv[1:])
# ru_maxrss of this process would be that of the one it was forked from.
peak = open("/proc/self/status").read().rpartition("VmHWM:")[2].split()[0]
print("peak", int(peak), file=sys.stderr)
raise SystemExit(status)
"""


def test_collection_is_measured(tmp_path: Path) -> None:
    with measuring("collection") as part:
        found: dict[int, list[tuple[float, float]]] = {MANY: [], FEW: []}
        for _ in range(ROUNDS):
            for rows, measured in found.items():
                measured.append(collected(tmp_path / str(rows), rows))
        for rows, measured in found.items():
            name = f"{rows} row{'s' if rows > 1 else ''}"
            part.add(name, [seconds for seconds, _ in measured], "s")
            part.add(f"{name}, peak memory", [peak for _, peak in measured], "MiB")
        each_ms = [
            (many[0] - few[0]) * 1000 / (MANY - FEW)
            for many, few in zip(found[MANY], found[FEW], strict=True)
        ]
        part.add("each row", each_ms, "ms")

    assert all(figure.samples for figure in part.figures)


def collected(folder: Path, rows: int) -> tuple[float, float]:
    """Collect a project with so many rows; return seconds and the peak memory in MiB.

    Raises:
        AssertionError: another number of tests was collected.
    """
    folder.mkdir(exist_ok=True)
    table = "".join(
        f'[[package]]\nname = "package-{number}"\nlayer = "node"\nsource = "a benchmark"\n\n'
        for number in range(rows)
    )
    (folder / "rows.toml").write_text(f'title = "Rows"\n\n{table}')
    (folder / "test_rows.py").write_text(TEST)
    (folder / "pytest.ini").write_text("[pytest]\n")
    argv = [
        sys.executable, "-c", MEASURED, "--collect-only", "-q", "-p", "no:cacheprovider",
        "--scenario", "ipi_bootstrap", "--expectations", os.fspath(folder / "rows.toml"),
        os.fspath(folder),
    ]  # fmt: skip
    began_s = monotonic()
    done = process.run(argv, Deadline.after(LIMIT_S), cwd=folder)
    seconds = monotonic() - began_s
    assert len(re.findall(r"::test_package\[", done.stdout)) == rows, done.stdout[-500:]
    return seconds, int(done.stderr.rpartition("peak ")[2]) / 1024
