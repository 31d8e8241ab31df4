"""Decides whether a measure left its usual range, by robust statistics. Pure.

One run on a busy host would move a mean and a standard deviation; it does not move the median and
the median absolute deviation (MAD).
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

# The MAD of normally distributed values is 0.6745 of their standard deviation.
_MAD_OF_NORMAL = 0.6745


class Judgement(StrEnum):
    """The judgement on a measure of which less is better, such as a duration."""

    TOO_FEW = "too few runs"
    STEADY = "steady"
    SLOWER = "slower"
    FASTER = "faster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The thresholds of a change; it counts if it reaches all of them.

    `least_runs` earlier values; `least_z` in the modified z-score, 3.5 after Iglewicz and Hoaglin;
    `least_change` relative to the median, since of very even times a meaningless change stands out
    too; `least_spread`, in the unit of the values, stands in for a smaller MAD, since rounded times
    that are all alike would make any change infinitely odd.
    """

    least_runs: int = 8
    least_z: float = 3.5
    least_change: float = 0.20
    least_spread: float = 0.1


DEFAULT = Thresholds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A judgement with its numbers, in the unit of the values; None without earlier values.

    `runs` counts the earlier values; `change` is relative to their median, 0.5 for half as much
    again.
    """

    judgement: Judgement
    value: float
    runs: int
    median: float | None = None
    mad: float | None = None
    z: float | None = None
    change: float | None = None


def mad(values: Sequence[float]) -> float:
    """Return the median absolute deviation from the median.

    Raises:
        statistics.StatisticsError: there are no values.
    """
    middle = statistics.median(values)
    return statistics.median(abs(value - middle) for value in values)


def modified_z(value: float, earlier: Sequence[float], least_spread: float) -> float:
    """Return how far `value` is from the median of `earlier`, in robust standard deviations.

    `least_spread`, above 0, is taken for a MAD that is smaller.

    Source: B. Iglewicz and D. C. Hoaglin, How to Detect and Handle Outliers, ASQC 1993;
    NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.5.17,
    https://www.itl.nist.gov/div898/handbook/eda/section3/eda35h.htm

    Raises:
        statistics.StatisticsError: there are no earlier values.
    """
    spread = max(mad(earlier), least_spread)
    return _MAD_OF_NORMAL * (value - statistics.median(earlier)) / spread


def decide(value: float, earlier: Sequence[float], limits: Thresholds = DEFAULT) -> Decision:
    """Return whether `value` left the range of the `earlier` ones."""
    if not earlier:
        return Decision(judgement=Judgement.TOO_FEW, value=value, runs=0)
    middle = statistics.median(earlier)
    z = modified_z(value, earlier, limits.least_spread)
    change = (value - middle) / middle if middle else None
    return Decision(
        judgement=_judge(z, change, len(earlier), limits),
        value=value, runs=len(earlier), median=middle, mad=mad(earlier), z=z, change=change,
    )  # fmt: skip


def _judge(z: float, change: float | None, runs: int, limits: Thresholds) -> Judgement:
    if runs < limits.least_runs:
        return Judgement.TOO_FEW
    # From a median of nothing there is no relative change: the score alone decides.
    is_large = change is None or abs(change) >= limits.least_change
    if abs(z) <= limits.least_z or not is_large:
        return Judgement.STEADY
    return Judgement.SLOWER if z > 0 else Judgement.FASTER
