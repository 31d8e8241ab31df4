"""A shard: one of several runs that share the tests of a suite, each on a machine of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.model.errors import InputError

MOST_SHARDS = 10_000
# OpenShift's ci-operator gives these words in SHARD_ARGS to a test with `shard_count`.
# Source: https://github.com/openshift/ci-tools/pull/4563
_CI_OPERATOR = re.compile(r"--shard-count[ =](?P<count>\d+) --shard-id[ =](?P<number>\d+)")
_FORM = re.compile(r"(?P<number>\d+)/(?P<count>\d+)")
_REMEDY = (
    f"Write K/N with K from 1 to N and N up to {MOST_SHARDS}, such as 1/3; or N alone in an "
    "indexed job of Kubernetes, which sets JOB_COMPLETION_INDEX."
)
# Counted from 0. Source: https://kubernetes.io/docs/concepts/workloads/controllers/job/
COMPLETION_INDEX = "JOB_COMPLETION_INDEX"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """The shard with a `number`, counted from 1, of a `count` of them."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def parse(where: str, text: str, completion_index: str) -> Shard:
    """Return the shard that `text` names: K/N, N for a job with an index, or ci-operator's words.

    Raises:
        InputError: it names none. `where` is the place that it was given in.
    """
    # In the arguments of a generated job the value has quotes of its own.
    text = text.strip("\"' ")
    if text.isdecimal() and text.isascii():
        return _of_job(where, text, completion_index)
    found = _FORM.fullmatch(text) or _CI_OPERATOR.fullmatch(text)
    if found is None or not found[0].isascii():
        raise InputError(where, f"{text!r} is not a shard", _REMEDY)
    return _checked(where, text, found["number"], found["count"])


def _of_job(where: str, count: str, index: str) -> Shard:
    if not index:
        problem = f"{count!r} is a number of shards, and ${COMPLETION_INDEX} is not set"
        raise InputError(where, problem, _REMEDY)
    if not (index.isdecimal() and index.isascii() and len(index) < len(str(MOST_SHARDS)) + 1):
        problem = f"{index!r} is not the index of a job, counted from 0"
        raise InputError(f"${COMPLETION_INDEX}", problem, _REMEDY)
    number = str(int(index) + 1)
    return _checked(where, f"{count} with {COMPLETION_INDEX}={index}", number, count)


def _checked(where: str, text: str, number: str, count: str) -> Shard:
    # Python refuses to read numbers of thousands of digits.
    if max(len(number), len(count)) > len(str(MOST_SHARDS)):
        raise InputError(where, f"{text[:40]!r} is not a shard", _REMEDY)
    found = Shard(number=int(number), count=int(count))
    if not 1 <= found.number <= found.count <= MOST_SHARDS:
        raise InputError(where, f"{text!r} is not one of the shards", _REMEDY)
    return found
