"""The stages of a pull in a guest's journal, by the lines of the pull command.

Source: systemd, Journal Export Formats: lines `NAME=VALUE`, the time before the other fields of an
entry. Binary fields have lines of another form, and may have empty ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_FIELD = re.compile(r"^(__REALTIME_TIMESTAMP|MESSAGE)=(.*)$", re.MULTILINE)
_FIRST, _LAST, _MERGED = "Fetching layer ", "Fetched layer ", "Wrote: "


def stages_of(journal: str) -> Mapping[str, float]:
    """Return the seconds of the stages between the first layer and the merged image.

    Raises:
        ValueError: no pull came to its end.
    """
    lines = list(_lines(journal))
    begun_s = [at_s for at_s, text in lines if text.startswith(_FIRST)]
    fetched_s = [at_s for at_s, text in lines if text.startswith(_LAST)]
    merged_s = [at_s for at_s, text in lines if text.startswith(_MERGED)]
    if not begun_s or not fetched_s or not merged_s:
        raise ValueError("no pull came to its end in this journal")
    return {
        "pull: all layers": fetched_s[-1] - begun_s[0],
        "pull: merge": merged_s[-1] - fetched_s[-1],
    }


def _lines(journal: str) -> Iterator[tuple[float, str]]:
    at_s = 0.0
    for field in _FIELD.finditer(journal):
        if field[1] == "MESSAGE":
            yield at_s, field[2]
        else:
            at_s = int(field[2]) / 1e6
