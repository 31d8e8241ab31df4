"""The stages of a pull in a guest's journal, by the lines of the pull command.

Source: systemd, Journal Export Formats: entries of lines `NAME=VALUE`, with an empty line between.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_AT = re.compile(r"^__REALTIME_TIMESTAMP=(\d+)$", re.MULTILINE)
_MESSAGE = re.compile(r"^MESSAGE=(.*)$", re.MULTILINE)
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
    for entry in journal.split("\n\n"):
        at, message = _AT.search(entry), _MESSAGE.search(entry)
        if at and message:
            yield int(at[1]) / 1e6, message[1]
