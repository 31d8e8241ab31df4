"""A project that only has the plugin installed: ids, the two kinds of red, reports, endings."""

from __future__ import annotations

from pathlib import Path

from throwaway import ROWS, Project, junit_cases, usage_errors

pytest_plugins = ["pytester", "throwaway_fixtures"]


def test_ids_are_scenario_and_row(project: Project) -> None:
    project.write(
        "def test_package(package_row, applied_node): pass\n"
        "def test_readiness(readiness_level, node_session): pass\n"
        "def test_plain(node_after): pass\n"
    )

    listed = project.run_inside("--collect-only", "-q", *project.fake).outlines

    assert listed[:7] == [
        "test_it.py::test_package[fake-coreos-ostree]",
        "test_it.py::test_package[fake-node-openshift-kubelet]",
        "test_it.py::test_readiness[fake-unit-active]",
        "test_it.py::test_readiness[fake-healthz]",
        "test_it.py::test_readiness[fake-cri]",
        "test_it.py::test_readiness[fake-static-pod]",
        "test_it.py::test_plain[fake]",
    ]
    assert project.log == []


def test_default_names_are_those_of_the_main_job(project: Project) -> None:
    project.write(ROWS)

    listed = project.run_inside("--collect-only", "-q").outlines

    assert "test_it.py::test_package[ipi_bootstrap-node-openshift-kubelet]" in listed


def test_table_is_chosen_by_the_labels_of_the_node_image(project: Project) -> None:
    project.write("def test_os_release(os_release_row): pass")

    listed = project.run_inside("--collect-only", "-q", *project.images).outlines

    assert "test_it.py::test_os_release[coreos-STAND_IN]" in listed


def test_rows_are_judged_on_one_node_brought_up_once(project: Project) -> None:
    project.write(ROWS)

    result = project.run(*project.fake)

    result.assert_outcomes(passed=2)
    assert project.log == ["up fake", "down fake"]
    result.stdout.fnmatch_lines(["acceleration: *(*", "*[[]* s] fake comes up"])


def test_two_scenarios_are_brought_up_after_each_other(project: Project) -> None:
    project.write(ROWS)

    result = project.run(*project.fake, "--scenario=other_fake")

    result.assert_outcomes(passed=4)
    assert project.log == ["up fake", "down fake", "up other_fake", "down other_fake"]


def test_row_that_does_not_hold_fails_with_all_a_reader_needs(project: Project) -> None:
    project.write(ROWS)
    (project.folder / "table.toml").write_text(
        'title = "t"\n[[package]]\nname = "cri-o"\nlayer = "node"\nsource = "enhancement:40"\n'
    )

    result = project.run(*project.fake, "--artifacts-dir=kept")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "expected  package cri-o absent in the bootimage, present in the node",
            "observed  before: absent; after: absent",
            "source    enhancement:40 (openshift/enhancements, *)",
            "bootimage * boot.raw",
            "node_image_digest * sha256:*",
            f"evidence * {project.folder}/kept/run-*",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    assert (project.folder / "kept/last").resolve().is_dir()


def test_failure_of_a_test_of_the_node_shows_what_was_tested(project: Project) -> None:
    project.write(
        "from harness import ProductError\n"
        "def test_ready(node_after): raise ProductError('kubelet is not ready')\n"
    )

    result = project.run(*project.fake, "--artifacts-dir=kept")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "kubelet is not ready",
            "node_image_digest * sha256:*",
            f"evidence * {project.folder}/kept/run-*",
        ]
    )


def test_download_that_failed_is_not_tried_again(project: Project) -> None:
    project.write("def test_one(applied_node): pass\ndef test_two(bootimage): pass\n")
    project.write(
        "import pathlib\n"
        "from harness.images import bootimage\n"
        "from harness import RigError\n"
        "def acquire(*_):\n"
        "    with pathlib.Path('tries').open('a') as tries:\n"
        "        tries.write('x')\n"
        "    raise RigError('the server is out of order')\n"
        "bootimage.acquire = acquire\n",
        "no_server.py",
    )

    result = project.run("-p", "no_server", *project.fake)

    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["the server is out of order", "the server is out of order"])
    assert (project.folder / "tries").read_text() == "x"


def test_failed_live_apply_is_a_failure_also_in_junit(project: Project) -> None:
    project.write(ROWS)
    project.environment(FAULT="product")

    result = project.run(*project.fake, "--junit-xml=junit.xml")

    result.assert_outcomes(failed=2)
    cases = junit_cases(project.folder / "junit.xml")
    assert [child.tag for case in cases for child in case if child.tag != "properties"] == [
        "failure",
        "failure",
    ]
    result.stdout.no_fnmatch_line("*conftest.py:*")
    assert project.log == ["up fake"]


def test_problem_of_the_rig_is_an_error_also_in_junit(project: Project) -> None:
    project.write(ROWS)
    project.environment(FAULT="rig")

    result = project.run(*project.fake, "--junit-xml=junit.xml")

    result.assert_outcomes(errors=2)
    cases = junit_cases(project.folder / "junit.xml")
    assert [child.tag for case in cases for child in case if child.tag != "properties"] == [
        "error",
        "error",
    ]
    assert project.log == ["up fake"]


def test_kinds_of_red_in_the_middle_of_a_test(project: Project) -> None:
    project.write(
        "from harness import ProductError, RigError\n"
        "def test_rig(): raise RigError('the connection dropped')\n"
        "def test_product(): raise ProductError('kubelet is not ready')\n"
    )

    result = project.run("--junit-xml=junit.xml")

    result.assert_outcomes(passed=0, failed=1, errors=1)
    rig, product = junit_cases(project.folder / "junit.xml")
    assert [child.tag for child in rig] == ["error"]
    assert [child.tag for child in product] == ["failure"]


def test_machine_that_died_is_reported_at_once(project: Project) -> None:
    project.write(
        "def test_first(applied_node): applied_node.machine.stopped = 'QEMU ended by itself'\n"
        "def test_talks(node_session): raise AssertionError('it must not be asked')\n"
        "def test_judges(node_after): pass\n"
    )

    result = project.run(*project.fake)

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["node of scenario fake: its machine stopped: QEMU ended*"])


def test_crash_of_the_guest_is_a_failure(project: Project) -> None:
    project.write(
        "def test_first(applied_node): applied_node.machine.stopped = 'the guest crashed'\n"
        "def test_talks(node_session): raise AssertionError('it must not be asked')\n"
    )

    project.run(*project.fake).assert_outcomes(passed=1, failed=1)


def test_junit_shows_what_was_tested(project: Project) -> None:
    project.write("def test_plain(applied_node): pass")

    project.run(*project.fake, "--junit-xml=junit.xml")

    (case,) = junit_cases(project.folder / "junit.xml")
    shown = {entry.get("name"): entry.get("value") for entry in case.iter("property")}
    assert shown["scenario"] == "fake"
    assert shown["bootimage"] == "boot.raw"
    assert (shown["node_image_digest"] or "").startswith("sha256:")
    assert shown["node_image_version"] == "9.6.20250203-0"


def test_quiet_run_shows_no_progress(project: Project) -> None:
    project.write("def test_plain(applied_node): pass")

    result = project.run("-q", *project.fake)

    assert result.outlines[0].startswith(".")
    assert "1 passed" in result.outlines[-1]


def test_marker_selects_tests_of_the_node(project: Project) -> None:
    project.write("def test_plain(applied_node): pass\ndef test_other(): pass")

    result = project.run(*project.fake, "-m", "not node_image", "--strict-markers")

    result.assert_outcomes(passed=1, deselected=1)
    assert project.log == []


def test_project_without_nodes_pays_nothing(project: Project) -> None:
    project.write(
        "import sys\n"
        "def test_other():\n"
        "    heavy = {'libvirt', 'paramiko', 'httpx', 'harness.workplace.workplace'}\n"
        "    assert not heavy & set(sys.modules)\n"
    )

    project.run("--bootimage=missing.qcow2", "--node-image=oci:missing").assert_outcomes(passed=1)


def test_several_judged_nodes_have_their_own_tests_and_come_up_once(project: Project) -> None:
    project.write(
        "def test_node(applied_node, node_after): assert node_after is applied_node.after\n"
        "def test_row(verdict, package_row): verdict(package_row)\n"
        "def test_all(applied_nodes): assert list(applied_nodes) == ['node-0', 'node-1']\n"
    )

    result = project.run(*project.fake, "--scenario=two_fakes", "-v")

    result.assert_outcomes(passed=2 + 4 + 1 + 1 + 2, failed=1)
    assert [line for line in project.log if "two" in line] == ["up two_fakes", "down two_fakes"]
    result.stdout.fnmatch_lines_random(
        ["*test_node[[]two_fakes/node-1[]] PASSED*", "*test_all[[]two_fakes[]] PASSED*"]
    )


def test_stopping_at_a_step_is_refused_where_it_cannot_be(project: Project) -> None:
    project.write("def test_node(applied_node): pass\n")

    workers = project.run(*project.fake, "--until=login", "-n1")
    unknown = project.run(*project.fake, "--until=multi-user")

    assert "--until: cannot be used with workers of xdist" in "\n".join(usage_errors(workers))
    assert "'multi-user' is not a step of the scenario fake" in "\n".join(usage_errors(unknown))
    assert project.log == []


def test_own_parametrize_of_a_scenario_is_respected(project: Project) -> None:
    project.write(
        "import pytest\n"
        "@pytest.mark.parametrize('applied_node', ['other_fake'], indirect=True)\n"
        "def test_plain(applied_node): pass\n"
    )

    project.run(*project.fake).assert_outcomes(passed=1)

    assert project.log == ["up other_fake", "down other_fake"]


def test_sigterm_closes_everything(project: Project) -> None:
    project.write(
        "import os, pathlib, signal\n"
        "def test_plain(applied_node, node_image_rig):\n"
        "    pathlib.Path('where').write_text(str(node_image_rig.run.folder))\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
    )

    result = project.run(*project.fake)

    assert result.ret == 2
    assert project.log == ["up fake", "down fake"]
    assert not Path((project.folder / "where").read_text()).exists()


def test_plugin_works_without_xdist(project: Project) -> None:
    project.write(ROWS)

    project.run("-p", "no:xdist", *project.fake).assert_outcomes(passed=2)


def test_plugin_may_also_be_named_in_a_conftest(project: Project) -> None:
    with (project.folder / "conftest.py").open("a") as conftest:
        conftest.write("\npytest_plugins = ['harness.plugin']\n")
    project.write("def test_other(): pass")

    project.run_inside().assert_outcomes(passed=1)


def test_help_groups_and_explains_the_options(project: Project) -> None:
    result = project.run_inside("--help")

    result.stdout.fnmatch_lines(
        [
            "node image: boot, live-apply and check:",
            "*--bootimage=PATH|URL*",
            "*--memory-mib=MIB *in MiB*",
            "*node_image_node_image (string):*",
        ]
    )


def test_settings_file_is_read(project: Project) -> None:
    project.write(ROWS)
    (project.folder / "pytest.ini").write_text(
        "[pytest]\nnode_image_bootimage = boot.raw\nnode_image_node_image = oci:image:latest\n"
        "node_image_scenario = fake\nnode_image_expectations = table.toml\n"
    )

    project.run().assert_outcomes(passed=2)
    assert project.log == ["up fake", "down fake"]
