"""A change counts when it is odd, large and based on enough runs."""

from __future__ import annotations

import pytest

from harness.report.history.statistics import Judgement, Thresholds, decide, mad, modified_z

EVEN = [10.0, 10.2, 9.8, 10.1, 9.9, 10.3, 9.7, 10.0]


def test_one_odd_run_does_not_move_the_spread() -> None:
    assert mad(EVEN) == pytest.approx(0.15)
    assert mad([*EVEN, 100.0]) == pytest.approx(0.2)


def test_score_is_that_of_the_book() -> None:
    # median 3, MAD 1: 0.6745 * (7 - 3) / 1
    assert modified_z(7.0, [1, 2, 3, 4, 5], least_spread=0.1) == pytest.approx(2.698)


@pytest.mark.parametrize(
    ("value", "earlier", "judgement"),
    [
        pytest.param(15.0, EVEN, Judgement.SLOWER, id="step"),
        pytest.param(6.0, EVEN, Judgement.FASTER, id="step down"),
        pytest.param(10.3, EVEN, Judgement.STEADY, id="noise"),
        pytest.param(11.5, EVEN, Judgement.STEADY, id="odd but under 20 %"),
        pytest.param(15.0, [6, 14, 8, 12, 7, 13, 10, 10], Judgement.STEADY, id="large but usual"),
        pytest.param(15.0, EVEN[:7], Judgement.TOO_FEW, id="seven runs"),
        pytest.param(15.0, [], Judgement.TOO_FEW, id="no run"),
        pytest.param(0.4, [0.1] * 8, Judgement.STEADY, id="rounded times all alike"),
        pytest.param(0.8, [0.1] * 8, Judgement.SLOWER, id="step from times all alike"),
        pytest.param(2.0, [0.0] * 8, Judgement.SLOWER, id="step from nothing"),
        pytest.param(0.0, [0.0] * 8, Judgement.STEADY, id="nothing from nothing"),
    ],
)
def test_judgement(value: float, earlier: list[float], judgement: Judgement) -> None:
    assert decide(value, earlier).judgement is judgement


def test_decision_carries_its_numbers() -> None:
    decision = decide(15.0, EVEN)

    assert (decision.value, decision.runs, decision.median) == (15.0, 8, 10.0)
    assert decision.mad == pytest.approx(0.15)
    assert decision.change == pytest.approx(0.5)
    assert decision.z == pytest.approx(0.6745 * 5 / 0.15)


def test_limits_can_be_others() -> None:
    assert decide(15.0, EVEN[:3], Thresholds(least_runs=3)).judgement is Judgement.SLOWER
