"""What a run writes and prints at its end: alone, under xdist, and without tests of machines."""

from __future__ import annotations

import os

import pytest
from left import KEPT, TRACKER, allow, classes, kept, outcomes, report_of
from throwaway import ROWS, Project, junit_cases

from harness.model.record import Blame, Outcome, State
from harness.recording.recorder import RIG_ERRORS
from harness.report.history import store

pytest_plugins = ["pytester", "throwaway_fixtures"]


def test_run_leaves_its_record_and_shows_where_it_is(project: Project) -> None:
    project.write(ROWS + "def test_without_machine(): pass\n")

    result = project.run(*project.fake, KEPT)

    folder, run = kept(project), report_of(project)
    assert (run.state, run.exit_code, run.id) == (State.FINISHED, 0, folder.name)
    assert outcomes(run) == {
        "test_package[fake-coreos-ostree]": (Outcome.PASSED, None),
        "test_package[fake-node-openshift-kubelet]": (Outcome.PASSED, None),
        "test_without_machine": (Outcome.PASSED, None),
    }
    assert [test.scenario for test in run.tests] == ["fake", "fake", None]
    assert [(machine.name, machine.state) for machine in run.machines] == [("fake", State.FINISHED)]
    assert run.subject["node_image_digest"].startswith("sha256:")
    assert run.host["kernel"] == os.uname().release
    assert junit_cases(folder / "junit.xml")
    assert "SELinux denied something" in (folder / "node-image-summary.html").read_text()
    assert "fake comes up" in (folder / "progress.log").read_text()
    result.stdout.fnmatch_lines(
        [
            "=* node image =*",
            "warning  fake, kubelet: SELinux denied something",
            f"report   {folder}/report.json",
            f"page     {folder}/node-image-summary.html",
        ],
        consecutive=True,
    )


def test_workers_share_one_folder_and_their_progress_is_shown(project: Project) -> None:
    project.write(ROWS + "def test_without_machine(): pass\n")

    result = project.run("-n", "2", *project.fake, "--scenario=other_fake", KEPT)

    run = report_of(project)
    assert run.state is State.FINISHED
    assert {machine.name for machine in run.machines} == {"fake", "other_fake"}
    assert set(outcomes(run).values()) == {(Outcome.PASSED, None)}
    assert len(run.tests) == 5
    assert run.subject["bootimage"] == "boot.raw"
    shown = [line for line in result.outlines if line.endswith(" comes up")]
    assert sorted(line.partition("] ")[2] for line in shown) == [
        "fake comes up", "other_fake comes up",
    ]  # fmt: skip
    assert {*shown} <= {*(kept(project) / "progress.log").read_text().splitlines()}


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_quiet_run_ends_in_one_line_of_ours(project: Project, workers: tuple[str, ...]) -> None:
    project.write(ROWS)

    result = project.run("-q", *workers, *project.fake, KEPT)

    page = kept(project) / "node-image-summary.html"
    ours = [line for line in result.outlines if "node image" in line or "fake" in line]
    assert ours == [f"node image: 1 warning, {page}"]


BLAMED = """
import pytest

@pytest.fixture
def database():
    raise OSError("no database")

def test_claim(node_after): assert "openshift-kubelet" not in node_after.packages
def test_mistake(node_after): node_after.packages["no such"]
def test_database(node_after, database): pass
def test_image(node_image): pytest.fail("an old image")
def test_fine(node_after): pass
"""


def test_every_report_has_the_blame_of_red_tests(project: Project) -> None:
    project.write(BLAMED)

    result = project.run(*project.fake, KEPT, "--junit-xml=pytests.xml")

    result.assert_outcomes(passed=1, failed=3, errors=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert outcomes(report_of(project)) == {
        "test_claim[fake]": (Outcome.FAILED, Blame.PRODUCT),
        "test_mistake[fake]": (Outcome.FAILED, Blame.TEST),
        "test_database[fake]": (Outcome.ERROR, Blame.TEST),
        "test_image": (Outcome.FAILED, Blame.PRODUCT),
        "test_fine[fake]": (Outcome.PASSED, None),
    }
    expected = {
        "test_claim[fake]": "product", "test_mistake[fake]": "test",
        "test_database[fake]": "test", "test_image": "product",
    }  # fmt: skip
    assert classes(kept(project) / "junit.xml") == expected
    assert classes(project.folder / "pytests.xml") == expected


def test_reason_of_a_claim_leads_its_message_in_report_and_history(project: Project) -> None:
    project.write(
        "def check(packages): assert 'no-such' in packages\n"
        "def test_claim(node_after): check(sorted(node_after.packages)[:0])\n"
        "def test_plain(tmp_path): check([])\n"
    )

    project.run(*project.fake, KEPT, "--history=nights.sqlite", "--showlocals")

    firsts = [test.message.partition("\n")[0] for test in report_of(project).tests]
    assert firsts == ["AssertionError: assert 'no-such' in []"] * 2
    (night,) = store.read(project.folder / "nights.sqlite").runs
    assert [test.message for test in night.tests.values()] == firsts


def test_assertion_raised_from_an_error_of_the_rig_is_an_error(project: Project) -> None:
    project.write(
        "from harness import RigError\n"
        "def test_claim(node_after):\n"
        "    try: raise RigError('connection lost')\n"
        "    except RigError as exc: raise AssertionError('no sign of it') from exc\n"
    )

    result = project.run(*project.fake, KEPT)

    result.assert_outcomes(errors=1)
    assert result.ret == RIG_ERRORS
    assert outcomes(report_of(project)) == {"test_claim[fake]": (Outcome.ERROR, Blame.RIG)}


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_allowed_failure_is_shown_as_such_and_not_red(
    project: Project, workers: tuple[str, ...]
) -> None:
    project.write("def test_ready(node_after): pass\ndef test_plain(node_after): assert not 1\n")
    option = allow(project, "assert not 1")

    result = project.run(*workers, *project.fake, KEPT, option, "-v", "--junit-xml=pytests.xml")

    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*ALLOWED*", f"allowed  *::test_plain*fake*, {TRACKER}"])
    assert "1 passed, 1 allowed" in result.outlines[-1]
    (allowed,) = [test for test in report_of(project).tests if test.outcome is Outcome.ALLOWED]
    assert allowed.allowed_by == TRACKER
    assert "assert not 1" in allowed.message
    skipped = [case for case in junit_cases(project.folder / "pytests.xml") if len(case) > 1]
    seen = [mark.get("message") or "" for case in skipped for mark in case.iter("skipped")]
    assert [text.startswith(f"allowed by {TRACKER}: ") for text in seen] == [True]


def test_problem_of_the_rig_and_expired_entry_are_not_allowed(project: Project) -> None:
    project.write(
        "from harness import RigError\n"
        "def test_rig(node_after): raise RigError('kubelet: connection dropped')\n"
    )

    result = project.run(*project.fake, allow(project, "kubelet"))

    assert result.ret == RIG_ERRORS

    project.write("def test_product(node_after): raise AssertionError('kubelet is not ready')")
    result = project.run(*project.fake, allow(project, "kubelet", "2020-01-31"))

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [f"note *an entry of the allow-list has expired: 'kubelet' until 2020-01-31, {TRACKER}"]
    )


def test_allow_list_that_cannot_be_used_is_reported_once(project: Project) -> None:
    project.write(ROWS)
    (project.folder / "allow.toml").write_text("[[allow]]\npattern = 'x'\n")

    result = project.run("-n", "2", *project.fake, "--allow=allow.toml")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    seen = [line for line in (*result.outlines, *result.errlines) if "[[allow]] number 1" in line]
    assert len(seen) == 1
    assert project.log == []


def test_history_grows_by_each_run(project: Project) -> None:
    project.write(ROWS)

    for _ in range(2):
        project.run(*project.fake, "--history=nights.sqlite")

    runs = store.read(project.folder / "nights.sqlite").runs
    assert len(runs) == 2
    assert all(run.name.node_image.startswith("sha256:") for run in runs)


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_secrets_of_the_user_are_neither_kept_nor_shown(
    project: Project, workers: tuple[str, ...]
) -> None:
    (project.folder / "auth.json").write_text(
        '{"auths": {"registry.example": {"auth": "dXNlcjpodW50ZXItdHdv"}}}'
    )
    project.write(
        "import pytest\n"
        "def test_subject(node_after, node_image_rig):\n"
        "    node_image_rig.report('logged in with hunter-two')\n"
        "    print('printed: hunter-two')\n"
        "    assert 'user:hunter-two' == 'dXNlcjpodW50ZXItdHdv'\n"
        "def test_green(node_after): print('green: hunter-two')\n"
        "def test_skipped(node_after): pytest.skip('no hunter-two')\n"
        "@pytest.mark.xfail\n"
        "def test_gap(node_after): assert 'hunter-two' == ''\n"
    )
    options = (
        KEPT,
        "--authfile=auth.json",
        "--junit-xml=pytests.xml",
        "-rA",
        "-ojunit_logging=all",
    )

    result = project.run(*workers, *project.fake, *options)

    result.assert_outcomes(passed=1, failed=1, skipped=1, xfailed=1)
    shown = [*result.outlines, *result.errlines]
    assert {"printed: [removed]", "green: [removed]"} <= {*shown}
    left = [path for path in kept(project).rglob("*") if path.is_file()]
    assert len(left) >= 5
    texts = [path.read_text() for path in (*left, project.folder / "pytests.xml")]
    for text in ("\n".join(shown), *texts):
        assert "hunter-two" not in text
        assert "dXNlcjpodW50ZXItdHdv" not in text


def test_header_shows_no_login_of_a_bootimage(project: Project) -> None:
    project.write("def test_without_machine(): pass\n")
    disk = "https://user:hunter-two@mirror.example/disk.qcow2?token=s3same"

    result = project.run_inside(f"--bootimage={disk}", "--node-image=oci:image:latest")

    result.stdout.fnmatch_lines(
        ["node image: oci:image:latest on https://mirror.example/disk.qcow2, *"]
    )
    result.stdout.no_fnmatch_line("*hunter-two*")
    result.stdout.no_fnmatch_line("*s3same*")


def test_tests_of_machines_that_are_skipped_leave_nothing(project: Project) -> None:
    project.write(
        "import pytest\n"
        "@pytest.mark.skipif(True, reason='no')\ndef test_plain(node_after): pass\n"
        "@pytest.mark.skipif(False, reason='no')\ndef test_other(): pass\n"
    )

    result = project.run(*project.fake, KEPT)

    result.assert_outcomes(passed=1, skipped=1)
    assert not (project.folder / "kept").exists()
    result.stdout.no_fnmatch_line("*node image =*")


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_project_without_machines_is_left_as_it_is(
    project: Project, workers: tuple[str, ...]
) -> None:
    project.environment(XDG_CACHE_HOME=str(project.folder / "cache"))
    project.write(
        "import sys\n"
        "def test_other():\n"
        "    assert not {'msgspec', 'jinja2', 'junitparser', 'sqlite3'} & set(sys.modules)\n"
        "    assert not {name for name in sys.modules if name.startswith('harness.report')}\n"
        "def test_red(): assert False\n"
    )

    result = project.run(*workers, "--junit-xml=pytests.xml")

    result.assert_outcomes(passed=1, failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.no_fnmatch_line("*node image =*")
    assert classes(project.folder / "pytests.xml") == {}
    assert not (project.folder / "cache").exists()


@pytest.mark.parametrize("missing", ["no:xdist", "no:terminal", "no:junitxml"])
def test_plugin_needs_no_other(project: Project, missing: str) -> None:
    project.write(ROWS)

    project.run("-p", missing, *project.fake, KEPT)

    assert report_of(project).exit_code == 0
