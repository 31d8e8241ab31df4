"""Judges images as `pytest -m contract` does, row by row, without pytest."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from harness.model.errors import ProductError, RigError
from harness.verdict.contract.image_set import NotJudged
from harness.verdict.rows import FileRow, OsReleaseRow, PackageRow
from harness.workplace.contract import ContractImages
from harness.workplace.options import read
from harness.workplace.preparation import Preparation

TODAY = datetime.date(2026, 11, 27)


@contextmanager
def opened(**options: str) -> Iterator[ContractImages]:
    given = {f"node_image_{name}": value for name, value in options.items()}
    settings = read(given, {}, {}, Path("/"))
    ready = Preparation(settings, lambda _: None)
    with closing(ready), closing(ContractImages(ready, lambda _: None, TODAY)) as found:
        found.check()
        yield found


def verdicts(**options: str) -> dict[str, str]:
    """Return what is red, an error or not judged, by the ids of rows."""
    found = {}
    with opened(**options) as contract:
        table = contract.expectations
        rows = [r for r in table.rows if isinstance(r, PackageRow | OsReleaseRow | FileRow)]
        for row in (*rows, *table.contract):
            try:
                answer = contract.judge(row)
            except ProductError as exc:
                found[row.id] = str(exc)
            except RigError as exc:
                found[row.id] = f"error: {exc}"
            else:
                found |= {row.id: str(answer)} if isinstance(answer, NotJudged) else {}
    return found


def red(**options: str) -> dict[str, str]:
    found = verdicts(**options)
    return {name: text for name, text in found.items() if not text.startswith("not judged")}
