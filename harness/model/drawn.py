"""What a play draws by chance for its configs: keys, certificates, addresses.

They are recorded, so that a later play can draw the same. Its configs are then the same to the
byte, if nothing else has changed. The name of each drawing has everything that decides what is
drawn: what is drawn for one question is never the answer to another.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from harness.model.secret import Secret

Drawing = tuple[str, Secret]
"""The name of what was drawn, and its text."""
PORT_OF = "port of "
"""How the names of ports begin, at which only one program of a host can listen."""


class Drawn:
    """The drawings of one play, in their order; those that are `given` are drawn first."""

    def __init__(self, given: Iterable[Drawing] = ()) -> None:
        self._left: defaultdict[str, deque[Secret]] = defaultdict(deque)
        self._made: list[Drawing] = []
        for what, text in given:
            self._left[what].append(text)

    @property
    def all(self) -> tuple[Drawing, ...]:
        """What was drawn so far."""
        return tuple(self._made)

    def text(
        self, what: str, make: Callable[[], str], can_use: Callable[[str], bool] = lambda _: True
    ) -> str:
        """Return the next text that was given for `what`, if it can be used; else make one."""
        left = self._left[what]
        found = left.popleft() if left else None
        if found is None or not can_use(found.reveal()):
            found = Secret(make())
        self._made.append((what, found))
        return found.reveal()


def scoped(scope: str, drawn: Iterable[Drawing]) -> tuple[Drawing, ...]:
    """Return drawings under names that begin with `scope`."""
    return tuple((f"{scope} {what}", text) for what, text in drawn)


def of_scope(scope: str, drawn: Iterable[Drawing]) -> tuple[Drawing, ...]:
    """Return the drawings that `scoped` gave such names, by their former ones."""
    begin = f"{scope} "
    return tuple((w.removeprefix(begin), text) for w, text in drawn if w.startswith(begin))


_CURRENT: ContextVar[Drawn | None] = ContextVar("node-image-drawn", default=None)


@contextmanager
def drawing(drawn: Drawn) -> Iterator[None]:
    """Context manager in which `draw` draws from `drawn`, in this thread.

    It must not stay open while the caller does something else.
    """
    before = _CURRENT.set(drawn)
    try:
        yield
    finally:
        _CURRENT.reset(before)


def is_drawing() -> bool:
    """Return whether what is drawn is recorded."""
    return _CURRENT.get() is not None


def draw(
    what: str, make: Callable[[], str], can_use: Callable[[str], bool] = lambda _: True
) -> str:
    """Return a text by chance, made by `make` or drawn again; `what` has all that decides it.

    What `can_use` refuses is made anew, such as a port that another program has got.
    """
    current = _CURRENT.get()
    return make() if current is None else current.text(what, make, can_use)
