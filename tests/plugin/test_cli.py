"""The command `node-image`, in a cache and run folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner
from throwaway import boot_sector

from harness.cli import main
from harness.images import bootimage
from harness.images.acquire.cache import Cache
from harness.lint import inventory
from harness.model.clock import Deadline
from harness.model.ignition import Config, Unit, render
from harness.verdict.expectations import built_in


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return CliRunner()


def test_tables_are_listed(runner: CliRunner) -> None:
    result = runner.invoke(main, ["tables"])

    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.splitlines()] == list(built_in())


def test_doctor_reports_acceleration_and_memory(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.commands.host._acceleration", lambda: "tcg (there is no /dev/kvm)")

    result = runner.invoke(main, ["doctor"])

    assert "acceleration: tcg (there is no /dev/kvm)" in result.output
    assert "MiB free" in result.output


def test_doctor_fails_where_something_is_missing(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.commands.host._acceleration", lambda: "tcg")
    monkeypatch.setattr("harness.host.Host.missing", lambda _host, needs: tuple(needs))

    result = runner.invoke(main, ["doctor"])

    assert result.exit_code == 1
    assert "missing  QEMU" in result.output
    assert "Run `" in result.output or "Install what provides" in result.output


def test_doctor_without_a_cache_folder_says_so_in_a_check(
    runner: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("harness.commands.host._acceleration", lambda: "tcg")

    result = runner.invoke(main, ["doctor"])

    assert result.exit_code == 1
    assert "failed   cache: cache folder " in result.output
    assert "Set XDG_CACHE_HOME to a writable folder.\n" in result.output


def test_version_is_printed(runner: CliRunner) -> None:
    result = runner.invoke(main, ["--version"])

    assert result.output == f"pytest-node-image {metadata.version('pytest-node-image')}\n"


@pytest.mark.parametrize("group", [[], ["standin"]], ids=["top", "standin"])
def test_short_help_of_no_command_is_cut(runner: CliRunner, group: list[str]) -> None:
    result = runner.invoke(main, [*group, "--help"], terminal_width=80)

    assert "Commands:" in result.output
    assert "..." not in result.output.partition("Commands:")[2]


def test_lint_reads_its_files_before_it_looks_at_an_image(
    runner: CliRunner, ignition: Path, tmp_path: Path
) -> None:
    files = [str(ignition), str(tmp_path / "nope.ign")]

    result = runner.invoke(main, ["lint-ignition", *files, "--node-image=oci:image:latest"])

    assert result.exit_code == 2
    assert result.output.startswith(f"Error: {tmp_path}/nope.ign: cannot be read: No such file")


def test_clean_takes_down_a_dead_run_alone(runner: CliRunner, tmp_path: Path) -> None:
    runs = tmp_path / f"node-image-{os.getuid()}"
    (runs / "run-dead").mkdir(parents=True)
    runs.chmod(0o700)
    (runs / "run-dead/lock").touch()
    (runs / "other").mkdir()

    result = runner.invoke(main, ["clean"])

    assert result.output == f"{runs}/run-dead (0 processes ended)\n"
    assert [path.name for path in sorted(runs.iterdir())] == ["gate", "other"]


@pytest.mark.parametrize("words", [["clean"], ["clean", "--checkpoints"]], ids=["usual", "all"])
def test_clean_knows_kept_checkpoints(runner: CliRunner, tmp_path: Path, words: list[str]) -> None:
    root = tmp_path / "pytest-node-image/checkpoints"
    for name in ("new-1234", "kept"):
        (root / name).mkdir(parents=True, mode=0o700)

    result = runner.invoke(main, words)

    gone = ["kept", "new-1234"] if "--checkpoints" in words else ["new-1234"]
    assert result.output.splitlines() == [f"{root}/{name}" for name in gone]
    assert {path.name for path in root.glob("*/")} == {"kept", "new-1234"} - {*gone}


def test_path_of_stand_ins_that_are_not_built_is_one_error(runner: CliRunner) -> None:
    result = runner.invoke(main, ["standin", "path"])

    assert result.exit_code == 1
    assert result.output == ("Error: stand-in images: not built. Run `node-image standin build`.\n")


def test_path_of_the_newest_stand_ins(runner: CliRunner, tmp_path: Path) -> None:
    for age, name in enumerate(("new", "old")):
        folder = tmp_path / "pytest-node-image/standin" / name
        folder.mkdir(parents=True)
        (folder / "version").touch()
        os.utime(folder, (1000 - age, 1000 - age))

    result = runner.invoke(main, ["standin", "path"])

    assert result.output.endswith("/standin/new\n")


@pytest.fixture
def ignition(tmp_path: Path) -> Path:
    path = tmp_path / "config.ign"
    path.write_text('{"ignition": {"version": "3.2.0"}}')
    return path


def test_lint_requires_a_bootimage_for_a_node_image(runner: CliRunner, ignition: Path) -> None:
    result = runner.invoke(main, ["lint-ignition", str(ignition), "--node-image=oci:image:latest"])

    assert result.exit_code == 2
    assert result.output == (
        "Error: --node-image: given without a bootimage. "
        "Add --bootimage, or remove both options to use the stand-ins.\n"
    )


@pytest.fixture
def known_disk(runner: CliRunner, tmp_path: Path) -> Path:
    """A bootimage without programs, asked before; `runner` sets its cache."""
    disk = tmp_path / "boot.raw"
    disk.write_bytes(boot_sector())
    with Cache.of_user() as cache:
        image = bootimage.acquire(str(disk), None, cache, Deadline.after(60.0))
    inventory.keep(image, inventory.Inventory(commands=frozenset(), version=""))
    return disk


@pytest.mark.parametrize(
    ("unit", "options", "status"),
    [
        ("node-image-pull.service", [], 1),
        ("node-image-pull.service", ["--all"], 1),
        ("user.service", [], 0),
        ("user.service", ["--all"], 1),
    ],
)
def test_lint_counts_calls_after_the_node_layer_with_all_alone(
    unit: str, options: list[str], status: int, runner: CliRunner, known_disk: Path
) -> None:
    target = Unit(
        name="node-image-overlay.target", contents="[Unit]\nWants=node-image-pull.service"
    )
    caller = Unit(name=unit, contents="[Service]\nExecStart=/usr/bin/oc get nodes")
    path = known_disk.with_name("bootstrap.ign")
    path.write_text(render(Config(units=(target, caller)).to_document()))

    result = runner.invoke(
        main, ["lint-ignition", str(path), f"--bootimage={known_disk}", *options]
    )

    assert (result.exit_code, "calls /usr/bin/oc, not there" in result.output) == (status, True)


def test_lint_on_a_bootimage_that_is_known_makes_no_folder_of_a_run(
    runner: CliRunner, ignition: Path, known_disk: Path, tmp_path: Path
) -> None:
    result = runner.invoke(main, ["lint-ignition", str(ignition), f"--bootimage={known_disk}"])

    assert (result.exit_code, result.exception) == (0, None)
    assert not (tmp_path / "pytest-node-image/runs").exists()


@pytest.mark.parametrize(
    ("console", "status", "said"),
    [
        ("all is well\n", 0, "no rule matches a line"),
        ("[  1.000000] Kernel panic - not syncing: no init\n", 1, "rule: kernel-panic"),
        (None, 2, "cannot be read: No such file or directory"),
    ],
)
def test_diagnose_says_what_a_console_shows(
    console: str | None, status: int, said: str, runner: CliRunner, tmp_path: Path
) -> None:
    if console is not None:
        (tmp_path / "console.txt").write_text(console)

    result = runner.invoke(main, ["diagnose", str(tmp_path / "console.txt")])

    assert said in result.output
    assert result.exit_code == status


@pytest.mark.parametrize(
    ("raised", "status"), [(KeyboardInterrupt(), 130), (ZeroDivisionError("bug"), 2)]
)
def test_end_that_is_not_a_result_has_a_status_of_its_own(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch, raised: BaseException, status: int
) -> None:
    def fail() -> None:
        raise raised

    monkeypatch.setattr("harness.verdict.expectations.built_in", fail)

    assert runner.invoke(main, ["tables"]).exit_code == status


def test_output_that_no_one_reads_ends_the_command() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    words = [sys.executable, "-c", "from harness.cli import main; main()", "tables"]

    found = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)

    assert (found.returncode, found.stderr) == (141, "")
