"""Choose the expectation table for an image, and give the reason.

The labels select the family of the image, whose table has [[match]]. The OpenShift version selects
the table of the family. If no table has this version, the nearest older one is used, and the reason
reports that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from harness.model.claims import Claims, claims_of
from harness.model.errors import InputError
from harness.model.versions.version import Numbers, numbers
from harness.verdict.expectations import Expectations, Table, built_in, load, read
from harness.verdict.scope import Facts


def choose(labels: Mapping[str, str], release: str = "") -> Expectations:
    """Return the expectations of an image by its labels; `release` is its release's version.

    Raises:
        InputError: no table fits, or several fit equally well.
    """
    tables = [read(name) for name in built_in()]
    family, claims = _family(tables, labels), claims_of(labels, release)
    versions = [table for table in tables if table.ocp]
    members = [table for table in versions if table.extends == family.name]
    # If the family has no tables for versions, those of other families show which versions exist.
    nearest = _nearest(members or versions, claims)
    table = nearest if nearest in members else family
    facts = Facts(base=claims.base, ocp=claims.ocp_versions or ((table.ocp,) if table.ocp else ()))
    reason = "; ".join(_reasons(claims, nearest, table))
    return replace(load(table.name, facts), reason=reason)


def _family(tables: Sequence[Table], labels: Mapping[str, str]) -> Table:
    scores = [(_score(table, labels), table) for table in tables]
    best = max(score for score, _ in scores)
    fitting = [table for score, table in scores if score == best > 0]
    if len(fitting) == 1:
        return fitting[0]
    of_interest = {key for table in tables for match in table.matches for key in match}
    seen = {key: value for key, value in labels.items() if key in of_interest}
    names = " and ".join(table.name for table in fitting)
    raise InputError(
        "node image",
        f"its labels fit {names or 'no table'}: {seen or 'none of interest'}",
        f"Name a table with --expectations: {', '.join(built_in())}.",
    )


def _score(table: Table, labels: Mapping[str, str]) -> int:
    fitting = (
        len(match)
        for match in table.matches
        if all(re.fullmatch(pattern, labels.get(key, "")) for key, pattern in match.items())
    )
    return max(fitting, default=0)


def _nearest(versions: Sequence[Table], claims: Claims) -> Table | None:
    """Return the table of the newest version that is not newer than the claim, else the oldest."""
    if not claims.ocp:
        return None
    claimed = numbers(claims.ocp_versions[0])
    in_order = sorted(versions, key=_version)
    return next((found for found in reversed(in_order) if _version(found) <= claimed), in_order[0])


def _version(table: Table) -> Numbers:
    return numbers(table.ocp or "")


def _reasons(claims: Claims, nearest: Table | None, table: Table) -> Iterator[str]:
    if nearest is None:
        yield "no label names an OpenShift version, so the node's os-release decides"
        return
    (place, ocp), *others = claims.ocp.items()
    yield f"OpenShift {ocp} by {place}"
    for other, said in others:
        if said != ocp:
            yield f"contradicted by {other}, {said}"
    rhel = claims.base.rhel if claims.base else None
    if nearest.ocp != ocp:
        yield f"NO TABLE IS FOR {ocp}: judged by that for {nearest.ocp}, so rows may be out of date"
    elif table.rhel and rhel is not None and rhel not in table.rhel:
        yield f"NOT KNOWN ON RHEL {rhel}: rows were written for {', '.join(table.rhel)}"
