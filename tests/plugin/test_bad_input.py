"""What the user named cannot be used: one clear message, exit status 4, and nothing is started."""

from __future__ import annotations

import pytest
from throwaway import ROWS, Project, usage_errors

pytest_plugins = ["pytester", "throwaway_fixtures"]

CASES = {
    "missing-bootimage": (
        ["--bootimage=nowhere.qcow2", "--node-image=oci:image:latest"],
        "nowhere.qcow2: cannot be read: No such file or directory",
    ),
    "wrong-digest": (
        ["--bootimage=boot.raw", f"--bootimage-sha256={'0' * 64}", "--node-image=oci:image:latest"],
        "boot.raw: wrong digest: expected sha256 0000*",
    ),
    "no-disk-image": (
        ["--bootimage=conftest.py", "--node-image=oci:image:latest"],
        "conftest.py: not a disk image but a text file",
    ),
    "unknown-reference": (
        ["--bootimage=boot.raw", "--node-image=oci:image:other"],
        "oci:image:other: *",
    ),
    "no-transport": (
        ["--bootimage=boot.raw", "--node-image=registry/image"],
        "registry/image: unknown transport",
    ),
    "bootimage-alone": (
        ["--bootimage=boot.raw"],
        "--bootimage: given without a node image",
    ),
    "node-image-alone": (
        ["--node-image=oci:image:latest"],
        "--node-image: given without a bootimage",
    ),
    "unknown-table": (["--expectations=ocp-3"], "expectations ocp-3: unknown table"),
    "unknown-scenario": (["--scenario=nonsense"], "scenario nonsense: unknown scenario"),
    "missing-ignition": (
        ["--ignition=nowhere.ign"], "nowhere.ign: cannot be read: No such file or directory",
    ),
    "invalid-ignition": (["--ignition=conftest.py"], "conftest.py: not JSON: line 2 column 1*"),
    "missing-bootstrap-config": (
        ["--bootstrap-ignition=nowhere.ign"], "nowhere.ign: cannot be read: No such file*",
    ),
    "bootstrap-config-of-no-use": (
        ["--bootstrap-ignition=nowhere.ign", "--scenario=other_fake"],
        "--bootstrap-ignition: not supported by the scenario other_fake",
    ),
    "live-config-of-no-use": (
        ["--live-ignition=nowhere.ign"], "--live-ignition: not supported by the scenario fake",
    ),
    "missing-authfile": (["--authfile=nowhere.json"], "nowhere.json: cannot be read: *"),
    "missing-allow-list": (
        ["--allow=nowhere.toml"], "allow-list nowhere.toml: cannot be read: No such file*",
    ),
    "missing-rules": (
        ["--rules=nowhere.toml"], "rules nowhere.toml: cannot be read: No such file*",
    ),
    "rules-that-are-none": (["--rules=conftest.py"], "rules conftest.py: not TOML: *"),
    "history-in-no-folder": (
        ["--history=nowhere/nightly.db"], "history nowhere/nightly.db: no folder *nowhere",
    ),
    "history-that-is-none": (
        ["--history=conftest.py"], "conftest.py: cannot be used as a history: *",
    ),
    "history-that-is-a-folder": (
        ["--history=image"], "image: cannot be used as a history: a folder, *",
    ),
    "bad-number": (["--timeout-factor=slow"], "--timeout-factor: 'slow' is not a number above 0"),
    "bad-size": (["--download-cache-size=5"], "--download-cache-size: '5' is not a size"),
}  # fmt: skip


@pytest.mark.parametrize(("options", "expected"), CASES.values(), ids=CASES.keys())
def test_one_message(project: Project, options: list[str], expected: str) -> None:
    project.write(ROWS)
    project.write(ROWS, "test_more.py")
    needs_images = not any("image" in option for option in options)
    base = ["--scenario=fake"] if "nonsense" not in expected else []
    table = [] if "ocp-3" in expected else ["--expectations=table.toml"]

    images = project.images if needs_images else ()
    result = project.run_inside(*images, *base, *table, *options)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {expected}. [A-Z]*."])
    assert len(usage_errors(result)) == 1
    assert project.log == []


def test_kvm_required_but_not_to_be_had(project: Project) -> None:
    project.write(ROWS)
    project.write(
        "from harness.machine import acceleration\n"
        "from harness.machine.domain.architecture import Accelerator\n"
        "found = acceleration.Acceleration(\n"
        "    kind=Accelerator.TCG, reason='no /dev/kvm', timeout_factor=4\n"
        ")\n"
        "acceleration.probe = lambda *_, **__: found\n",
        "no_kvm.py",
    )

    result = project.run("-p", "no_kvm", *project.fake, "--require-kvm")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert usage_errors(result)[0].startswith("--require-kvm: no /dev/kvm. ")


@pytest.mark.parametrize("variable", ["XDG_CACHE_HOME", "HOME"])
def test_cache_folder_that_cannot_be_made(variable: str, project: Project) -> None:
    project.write(ROWS)
    file = project.folder / "conftest.py"
    project.environment(**{"XDG_CACHE_HOME": "", variable: str(file)})

    result = project.run(*project.fake)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (message,) = [line for line in usage_errors(result) if "cache folder" in line]
    assert "cannot be created: Not a directory. Set XDG_CACHE_HOME" in message
    assert "Traceback" not in result.stderr.str() + result.stdout.str()


def test_host_that_lacks_a_program_is_reported_with_the_command(project: Project) -> None:
    project.write(ROWS)
    project.write(
        "from harness import host\nhost.Host.missing = lambda self, needs: tuple(needs)[:1]\n",
        "bare_host.py",
    )

    result = project.run("-p", "bare_host", *project.fake)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert usage_errors(result)[0].startswith("this host: lacks ")


@pytest.mark.parametrize("test", [ROWS, "def test_it(): pass\n"])
def test_hook_that_returns_no_list_is_reported_once(test: str, project: Project) -> None:
    project.write(test)
    hook = "def pytest_node_image_scenarios():\n    return 7\n"
    project.write(hook, "conftest.py")

    result = project.run_inside("--collect-only", "-q")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (message,) = usage_errors(result)
    assert message.startswith("pytest_node_image_scenarios: returns int instead of a list. ")


def test_collecting_alone_checks_no_images(project: Project) -> None:
    project.write(ROWS)

    result = project.run_inside("--collect-only", *project.fake, "--bootimage=nowhere.qcow2")

    assert result.ret == 0


def test_the_same_message_under_xdist(project: Project) -> None:
    project.write(ROWS)

    result = project.run("-n", "2", *project.fake, "--bootimage=nowhere.qcow2")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (message,) = [line for line in usage_errors(result) if "nowhere" in line]
    assert message.startswith("nowhere.qcow2: cannot be read: No such file or directory. Name ")
    assert project.log == []
