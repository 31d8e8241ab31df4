"""`pytest -m contract` in a project that has contract tests beside tests of machines."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from standin_images import images
from standin_images.recipe import HERE, Recipe
from throwaway import ROWS, Project, usage_errors

pytest_plugins = ["pytester", "throwaway_fixtures"]

CONTRACT = (Path(__file__).parents[1] / "contract/test_contract.py").read_text()


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> images.StandIns:
    return images.write_all(tmp_path_factory.mktemp("stand-ins"))


@pytest.fixture
def contract(project: Project) -> Project:
    project.write(CONTRACT, "test_contract.py")
    project.write(ROWS, "test_boot.py")
    return project


def without_qemu(project: Project) -> None:
    """Leave only the programs that read images in PATH; libvirt cannot be loaded."""
    import shutil

    folder = project.folder / "bin"
    folder.mkdir()
    for program in ("skopeo", "rpm"):
        (folder / program).symlink_to(str(shutil.which(program)))
    (project.folder / "libvirt.py").write_text("raise ImportError('no libvirt on this host')\n")
    project.environment(PATH=str(folder), PYTHONPATH=str(project.folder))


def last_report(project: Project) -> dict[str, object]:
    found: dict[str, object] = json.loads((project.folder / "kept/last/report.json").read_text())
    return found


def test_contract_runs_without_qemu_and_libvirt_and_reports(
    contract: Project, good: images.StandIns
) -> None:
    without_qemu(contract)

    result = contract.run("-m", "contract", "--artifacts-dir=kept", *good.options)

    result.assert_outcomes(passed=44, skipped=3, deselected=1)
    result.stdout.fnmatch_lines(
        ["expectations: ocp-4.21", "skipped  1 row not judged: no release was given. Add *",
         "skipped  2 rows not judged: no bootimage was given. Add --bootimage."]
    )  # fmt: skip
    report = last_report(contract)
    assert report["subject"]["base_image"] == good.base  # type: ignore[index]
    assert report["subject"]["stand_in"] == "yes"  # type: ignore[index]
    junit = ET.parse(contract.folder / "kept/last/junit.xml")  # noqa: S314 - ours
    assert len(list(junit.iter("testcase"))) == 47


def test_a_broken_contract_is_a_failure_of_the_product_and_can_be_allowed(
    contract: Project, good: images.StandIns, tmp_path: Path
) -> None:
    recipe = Recipe.usual()
    node = images.write_node(tmp_path / "misplaced", recipe, images.misplaced_layers(recipe))
    (contract.folder / "allow.toml").write_text(
        '[[allow]]\npattern = "meta.json"\ntracker = "https://github.com/openshift/os/pull/1938"\n'
        'expires = 2099-01-01\ntest = "*metadata-is-last-and-true]"\n'
    )
    options = ("-m", "contract", "--artifacts-dir=kept", f"--node-image={node}")

    red = contract.run(*options, f"--base-image={good.driver_toolkit}")
    allowed = contract.run(*options, f"--base-image={good.base}", "--allow=allow.toml")

    assert red.ret == pytest.ExitCode.TESTS_FAILED
    red.stdout.fnmatch_lines(
        ["expected  the node image's layers begin with all of the base image's",
         "observed  layer 1 of 2 of the base image is sha256:*", "source    enhancement:257*",
         "base_image * oci:*"]
    )  # fmt: skip
    assert allowed.ret == 0
    allowed.stdout.fnmatch_lines(["allowed  *metadata-is-last-and-true*pull/1938"])


def test_what_boots_is_refused_without_a_bootimage(
    contract: Project, good: images.StandIns
) -> None:
    errors = usage_errors(contract.run(*good.options))

    assert [error.partition(". ")[0] for error in errors] == [
        "--node-image: given without a bootimage"
    ]
    assert "-m contract" in errors[0]


def test_images_for_another_architecture_are_judged_and_not_booted(
    contract: Project, tmp_path: Path
) -> None:
    arch = "s390x" if HERE != "s390x" else "ppc64le"
    found = images.write_all(tmp_path / "other", Recipe.usual(arch))
    options = (f"--arch={arch}", *found.options)

    judged = contract.run("-m", "contract", *options)
    booted = contract.run(f"--bootimage={tmp_path}/none.qcow2", *options)

    judged.assert_outcomes(passed=44, skipped=3, deselected=1)
    assert usage_errors(booted)[0].startswith(f"--arch {arch}: machines are of this host's {HERE}.")


def test_contract_without_a_node_image_is_an_error_and_not_green(contract: Project) -> None:
    result = contract.run("-m", "contract")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert usage_errors(result)[0].startswith(
        "contract tests: no node image was given. Add --node-image or --release-image"
    )


def test_rows_on_images_of_a_unit_say_that_they_take_a_boot(
    project: Project, good: images.StandIns
) -> None:
    project.write("def test_unit(image_verdict, unit_row):\n    image_verdict(unit_row)\n")

    result = project.run("-rs", *good.options)

    result.assert_outcomes(skipped=4)
    result.stdout.fnmatch_lines(["*not judged: it takes a node that runs. Run a scenario*"])
