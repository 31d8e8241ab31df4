"""The few shapes that pictures of a report are made of, as SVG text; every text is made `plain`.

Colours are the page's business: shapes bear classes.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.report.inert import plain

_STEPS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
_TICK_PX = 56
_EDGE_PX = 1.0
# A guess at a proportional font of 11 px; too wide is better than clipped.
_LETTER_PX = 6.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Seconds from 0 to `end_s` over `width_px`, in units of the drawing."""

    width_px: float
    end_s: float

    def x(self, at_s: float) -> float:
        """Return the place of a moment; those before and after are at the edges."""
        inside = min(max(at_s, 0.0), self.end_s)
        return _EDGE_PX + inside / self.end_s * (self.width_px - 2 * _EDGE_PX)

    def ticks_s(self) -> range:
        """Return round moments, as many as leave room for their labels."""
        most = max(1.0, self.width_px / _TICK_PX)
        step = next((step for step in _STEPS_S if self.end_s / step <= most), _STEPS_S[-1])
        return range(0, int(self.end_s) + 1, step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A text and where it stands: `anchor` is start, middle or end, as in SVG."""

    text: str
    x: float
    anchor: str = "start"

    @property
    def left(self) -> float:
        """Where it begins, by a guess at the font."""
        share = {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor]
        return self.x - share * width(self.text)

    @property
    def right(self) -> float:
        """Where it ends, by a guess at the font."""
        return self.left + width(self.text)

    def within(self, width_px: float) -> Label:
        """Return it pushed inwards where it would be clipped."""
        if self.left < 0:
            return Label(text=self.text, x=0.0)
        return Label(text=self.text, x=width_px, anchor="end") if self.right > width_px else self

    def draw(self, y: float, kind: str) -> str:
        """Return it with its base line at `y`."""
        where = f'x="{self.x:.1f}" y="{y:.1f}" text-anchor="{self.anchor}"'
        return f'<text class="{kind}" {where}>{plain(self.text)}</text>'


def width(text: str) -> float:
    """Return how wide a text is, by a guess at the font."""
    return len(text) * _LETTER_PX


def box(begin: float, end: float, top: float, height: float) -> str:
    """Return a block from `begin` to `end`, with air to its neighbours; the thinnest is visible."""
    wide = max(end - begin - 1, 1.5)
    shape = f'x="{begin + 0.5:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{height:.1f}"'
    return f'<rect {shape} rx="2"/>'


def upright(kind: str, x: float, top: float, foot: float) -> str:
    """Return a line from `top` to `foot`."""
    return f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{top:.0f}" y2="{foot:.0f}"/>'


def group(kind: str, tip: str, *shapes: str) -> str:
    """Return shapes as one that tells `tip` when pointed at."""
    return f'<g class="{kind}"><title>{plain(tip)}</title>{"".join(shapes)}</g>'


def picture(width_px: float, height_px: float, told: str, *shapes: str) -> str:
    """Return the whole; `told` is for those who do not see it."""
    size = f'viewBox="0 0 {width_px:.0f} {height_px:.0f}"'
    head = f'<svg class="timeline" {size} role="img" aria-label="{plain(told)}">'
    return f"{head}{''.join(shapes)}</svg>"
