"""A pattern that finds any of many words, in time that does not grow with their number.

Only `signs` and `known` use it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable


def any_of(words: Iterable[str]) -> str:
    """Return a pattern that matches the longest of `words`: a tree of their characters.

    Python's `re` tries the words of a flat list one by one at each place.
    """
    rests: dict[str, list[str]] = {}
    ends = False
    for word in words:
        if word:
            rests.setdefault(word[0], []).append(word[1:])
        else:
            ends = True
    branches = [re.escape(first) + any_of(rest) for first, rest in rests.items()]
    if not branches:
        return ""
    if len(branches) == 1 and not ends:
        return branches[0]
    return f"(?:{'|'.join(branches)}){'?' if ends else ''}"
