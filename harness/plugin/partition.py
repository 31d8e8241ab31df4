"""Divides units of tests, each with a weight, among shards.

A unit is what stays together: the tests of a scenario, whose boot is the cost, or those of a file.
Pure, and the same on every host: neither the order of the units nor a seed has an effect.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping

BOOT_WEIGHT = 100.0
"""The weight of a boot if a test's is 1 and nothing is known from a history."""


def partition(weights: Mapping[str, float], count: int) -> dict[str, int]:
    """Return the shard, from 1 to `count`, of each unit: the heaviest first to the lightest shard.

    No shard is heavier than the mean of all and one unit more.
    """
    shards = [(0.0, number) for number in range(1, count + 1)]
    found = {}
    for unit in sorted(weights, key=lambda unit: (-weights[unit], unit)):
        weight, number = heapq.heappop(shards)
        found[unit] = number
        # A unit without weight counts too: many of them are not one shard's alone.
        heapq.heappush(shards, (weight + max(weights[unit], 0.001), number))
    return found


def weigh(defaults: Mapping[str, float], usual_s: Mapping[str, float]) -> dict[str, float]:
    """Return the weight of each unit in `defaults`: its usual seconds.

    Units that no history knows get the same weight a unit of default weight has on average.
    """
    known = {unit: usual_s[unit] for unit in defaults if unit in usual_s}
    default = sum(defaults[unit] for unit in known)
    scale = sum(known.values()) / default if default else 1.0
    return {unit: round(known.get(unit, weight * scale), 3) for unit, weight in defaults.items()}
