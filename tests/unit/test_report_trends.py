"""Trends of composed histories: red since when, wavering how often, slower than ever."""

from __future__ import annotations

from dataclasses import replace

import pytest
from composed_runs import TEST, digest, past, past_pull, past_test, run_name

from harness.model.record import Outcome
from harness.report.differences import Change
from harness.report.history.past import History, PastRun
from harness.report.history.statistics import Judgement
from harness.report.history.trends import RedTest, Trends, look_back
from harness.report.plain import trends_text

P, F, E = Outcome.PASSED, Outcome.FAILED, Outcome.ERROR
S, K, A = Outcome.SKIPPED, Outcome.FLAKY, Outcome.ALLOWED
PACKAGES = {
    digest("a"): ("cri-o-1.31-1.x86_64",),
    digest("c"): ("cri-o-1.32-1.x86_64", "jq-1.6-1.x86_64"),
    "b" * 64: ("bash-5.1-1.x86_64",),
}


def trends(runs: list[PastRun], scenario: str | None = None) -> Trends:
    found = look_back(History(runs=tuple(runs), packages=PACKAGES), scenario)
    assert found is not None
    return found


def nights(*outcomes: Outcome | None, nodes: str = "") -> list[PastRun]:
    return [
        past(number, outcome=outcome, node=nodes[number - 1 : number] or "a")
        for number, outcome in enumerate(outcomes, start=1)
    ]


def only_red(runs: list[PastRun]) -> RedTest:
    (red,) = trends(runs).red
    return red


@pytest.mark.parametrize(
    ("outcomes", "since", "red_runs", "last_green"),
    [
        pytest.param((P, F), 2, 1, 1, id="last night"),
        pytest.param((P, P, F, F, F), 3, 3, 2, id="for three nights"),
        pytest.param((F, F), 1, 2, None, id="always"),
        pytest.param((F, P, F), 3, 1, 2, id="again"),
        pytest.param((P, F, S, None, F), 2, 2, 1, id="not run meanwhile"),
        pytest.param((P, E, F, E, F), 3, 2, 1, id="errors say nothing of the images"),
        pytest.param((P, F, E, E), 3, 2, 1, id="errors have a row of their own"),
        pytest.param((P, A, F), 3, 1, 1, id="was allowed"),
        pytest.param((K, F), 2, 1, 1, id="flaky is green"),
    ],
)
def test_red_since(
    outcomes: tuple[Outcome | None, ...], since: int, red_runs: int, last_green: int | None
) -> None:
    red = only_red(nights(*outcomes))

    assert red.since == run_name(since)
    assert red.red_runs == red_runs
    assert red.last_green == (run_name(last_green) if last_green else None)


def test_what_is_green_in_the_newest_run_is_not_red() -> None:
    assert trends(nights(F, P)).red == ()


def test_packages_between_last_green_and_first_red() -> None:
    red = only_red(nights(P, F, F, nodes="acd"))

    assert red.node_packages is not None
    assert red.node_packages.added == ("jq-1.6-1.x86_64",)
    assert red.node_packages.changed == (Change("cri-o", "1.31-1", "1.32-1"),)
    assert red.bootimage_packages is not None
    assert not red.bootimage_packages
    assert not red.is_same_images


def test_packages_of_an_image_that_nobody_saw_are_not_known() -> None:
    assert only_red(nights(P, F, nodes="ad")).node_packages is None


def test_same_images_are_said_to_be_the_same() -> None:
    assert only_red(nights(P, F)).is_same_images
    assert not only_red([past(1, node=""), past(2, node="", outcome=F)]).is_same_images


@pytest.mark.parametrize(
    ("outcomes", "nodes", "wavered", "runs", "rig_errors"),
    [
        pytest.param((P, P, P, P), "", 0, 4, 0, id="steady"),
        pytest.param((P, F, P, F), "", 3, 4, 0, id="to and fro"),
        pytest.param((P, K, P, K), "", 2, 4, 0, id="passes at reruns"),
        pytest.param((P, F, P), "acd", 0, 3, 0, id="other images each night"),
        pytest.param((P, F, P), "aca", 0, 3, 0, id="back to the image that passed"),
        pytest.param((P, F, F), "aca", 1, 3, 0, id="back to the image, but not passed"),
        pytest.param((P, E, P, S, None), "", 0, 2, 1, id="errors and skips"),
        pytest.param((A, F), "", 1, 2, 0, id="was allowed"),
    ],
)
def test_wavering(
    outcomes: tuple[Outcome | None, ...], nodes: str, wavered: int, runs: int, rig_errors: int
) -> None:
    (found,) = trends(nights(*outcomes, nodes=nodes)).steadiness

    assert (found.wavered, found.runs, found.rig_errors) == (wavered, runs, rig_errors)
    assert found.rate == wavered / runs


def test_a_test_that_only_met_errors_has_no_rate() -> None:
    (found,) = trends(nights(E, E)).steadiness

    assert (found.rate, found.runs, found.rig_errors) == (0.0, 0, 2)


def test_images_that_are_not_known_are_never_the_same() -> None:
    runs = [past(1, node=""), past(2, node="", outcome=F)]

    assert trends(runs).steadiness[0].wavered == 0


NOISE = [40.0, 41.0, 39.0, 40.5, 42.0, 38.5, 40.0, 41.5, 39.5]


@pytest.mark.parametrize(
    ("pulls_s", "judgement"),
    [
        pytest.param([*NOISE, 60.0], Judgement.SLOWER, id="step change"),
        pytest.param([*NOISE, 60.0, 61.0, 60.0], Judgement.SLOWER, id="step some nights ago"),
        pytest.param([*NOISE, 42.0], Judgement.STEADY, id="noise only"),
        pytest.param([*NOISE[:7], 60.0], Judgement.TOO_FEW, id="too few runs"),
        pytest.param([60.0], Judgement.TOO_FEW, id="first run"),
        pytest.param([*[90.0] * 40, *[40.0] * 30, 90.0], Judgement.SLOWER, id="long ago"),
    ],
)
def test_phase_of_the_newest_run(pulls_s: list[float], judgement: Judgement) -> None:
    runs = [past(number, pull_s=pull_s) for number, pull_s in enumerate(pulls_s, start=1)]

    (found,) = trends(runs).phases

    assert found.decision.judgement is judgement


def test_phases_are_held_to_runs_with_the_same_acceleration() -> None:
    emulated = [past(number, pull_s=400.0, acceleration="tcg") for number in range(1, 9)]
    runs = [*emulated, *(past(8 + n, pull_s=pull_s) for n, pull_s in enumerate(NOISE, 1))]

    (found,) = trends([*runs, past(20, pull_s=60.0)]).phases

    assert found.decision.runs == len(NOISE)
    assert found.decision.judgement is Judgement.SLOWER


def test_one_scenario_is_looked_at_alone() -> None:
    sno = past(2, tests={TEST: past_test(F, "sno")}, phases=(past_pull(9.0, "sno"),))

    found = trends([past(1, outcome=F, pull_s=40.0), sno, past(3)], "sno")

    assert found.newest == run_name(2)
    assert found.runs == 1
    assert [test.scenario for test in found.red] == ["sno"]
    assert [(phase.machine, phase.decision.runs) for phase in found.phases] == [("sno", 0)]


def test_scenario_that_never_ran_shows_nothing() -> None:
    assert look_back(History(runs=(past(1),), packages={}), "sno") is None


def test_text_shows_since_when_and_what_changed() -> None:
    slow = past(10, outcome=F, node="c", pull_s=60.0)
    message = replace(past_test(F), message="no kubelet")
    runs = [past(n, pull_s=40.0) for n in range(1, 10)]
    runs[1] = replace(runs[1], tests={TEST: past_test(K)})

    text = trends_text(trends([*runs, replace(slow, tests={TEST: message})]))

    night = "run-{0:02} of 2026-11-{0:02}T03:00:00Z, node image {1}, bootimage " + "b" * 64
    newest, green = night.format(10, digest("c")), night.format(9, digest("a"))
    assert text == (
        f"newest of 10 runs: {newest}\n"
        "\nred in it: 1\n"
        f"\nred since {newest}\n"
        f"last green: {green}\n"
        "packages of the node since then:\n"
        "    + jq-1.6-1.x86_64\n"
        "      cri-o  1.31-1 -> 1.32-1\n"
        "packages of the bootimage since then:\n"
        "    the same\n"
        f"  {TEST}: failed (product), in a row: 1\n"
        "      no kubelet\n"
        "\nwavering tests\n"
        f"   10%  {TEST}: wavered in 1 of 10 runs\n"
        "\nphases, compared with earlier runs with acceleration kvm\n"
        "  slower        ipi_bootstrap boot 1  Pull     60.0 s  +50%, z 134.9;"
        " median 40.0 s, MAD 0.00 s of 9 earlier\n"
    )


def test_text_says_once_what_many_tests_have_in_common() -> None:
    both = {name: replace(past_test(F), id=name) for name in ("t::one", "t::two")}
    green = {name: replace(test, outcome=P) for name, test in both.items()}

    text = trends_text(trends([past(1, tests=green), past(2, node="c", tests=both)]))

    assert text.count("cri-o  1.31-1 -> 1.32-1") == 1
    assert "  t::one: failed (product), in a row: 1\n  t::two: failed" in text


@pytest.mark.parametrize(
    ("runs", "line"),
    [
        (nights(F), "last green: none of these runs"),
        (nights(P, F), "the same images passed before: something else changed, or the tests waver"),
        (nights(P, F, nodes="ad"), "  unknown: an image has no digest, or no machine took"),
        ([past(1, pull_s=9.0)], "too few runs  ipi_bootstrap boot 1  Pull      9.0 s  0 earlier"),
        (nights(E), "  0%  " + TEST + ": wavered in 0 of 0 runs; errors of the rig besides: 1"),
        (nights(P), "red in it: nothing"),
    ],
)
def test_text_says_what_it_does_not_know(runs: list[PastRun], line: str) -> None:
    assert line in trends_text(trends(runs))
