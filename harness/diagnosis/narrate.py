"""What a person reads first about a boot that failed: text from sightings, under 25 lines.

The whole of it is in the evidence; here is the phase, the cause in one sentence, the lines that
show it, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.diagnosis.trace import shortened
from harness.model.record import Missing, QuotedLine, Sighting

_MOST_LINES = 8
_MOST_PER_STREAM = 4
_MOST_WARNINGS = 5
_MOST_MISSING = 3
_MOST_HALF_COUNTED = 3
_WIDTH = 180


def narrate(
    sighting: Sighting,
    *,
    elapsed_s: float,
    title_of_phase: str,
    evidence: str,
    warnings: Sequence[Sighting] = (),
    missing: Sequence[Missing] = (),
) -> str:
    """Return why the boot ended in `sighting`; `elapsed_s` is since power-on.

    `evidence` is the folder where the rest is.
    """
    when = f"in {title_of_phase} after {elapsed_s:.0f} s"
    return "\n".join(
        (
            f"{sighting.blame.upper()} failed {when}: {sighting.cause}",
            *_quoted(_decisive(sighting.lines)),
            *_often(sighting),
            f"  advice: {sighting.advice}",
            f"  rule: {sighting.rule} ({sighting.source})",
            *_rest(evidence, warnings, missing),
        )
    )


def narrate_stuck(
    waited_for: str,
    *,
    elapsed_s: float,
    title_of_phase: str,
    last_lines: Sequence[QuotedLine],
    evidence: str,
    warnings: Sequence[Sighting] = (),
    missing: Sequence[Missing] = (),
    half_counted: Sequence[Sighting] = (),
) -> str:
    """Return the text for a wait that ran out before a rule ended it.

    `waited_for` is what did not happen, as a phrase; `last_lines` are the last of every stream;
    `half_counted` are sightings of fatal rules that were not seen often enough.
    """
    when = f"in {title_of_phase} after {elapsed_s:.0f} s"
    return "\n".join(
        (
            f"PRODUCT stuck {when}: {waited_for}",
            *_quoted(_last_of_each(last_lines)),
            *_advice(half_counted),
            *_rest(evidence, [one for one in warnings if one not in half_counted], missing),
        )
    )


def narrate_failed(
    problem: str, *, elapsed_s: float, evidence: str, missing: Sequence[Missing] = ()
) -> str:
    """Return the text for a fault that a caller detected; `problem` is its sentence."""
    return "\n".join((f"{problem} (after {elapsed_s:.0f} s)", *_rest(evidence, (), missing)))


def summary(sighting: Sighting) -> Iterator[str]:
    """Yield the lines that say what one sighting means."""
    yield f"{sighting.weight} ({sighting.blame}) in phase {sighting.phase}: {sighting.cause}"
    yield from _quoted(_decisive(sighting.lines))
    yield from _often(sighting)
    yield f"  advice: {sighting.advice}"
    yield f"  rule: {sighting.rule} ({sighting.source})"


def _advice(half_counted: Sequence[Sighting]) -> Iterator[str]:
    """Give what may be the cause: rules that were still counting, if there are any."""
    slow = "A slow host needs a higher --timeout-factor."
    if not half_counted:
        yield f"  advice: no rule knows this; the last lines are above. {slow}"
        return
    yield "  advice: these rules counted, but too little to end the wait; the last lines are above."
    for one in half_counted[:_MOST_HALF_COUNTED]:
        times = f"{one.count} time{'s' if one.count > 1 else ''} since {one.at_s:.1f} s"
        yield f"  half counted: {one.rule} ({one.blame}), {times}: {_short(one.cause)}"
    yield from _more(len(half_counted) - _MOST_HALF_COUNTED, "half counted")


def _decisive(lines: Sequence[QuotedLine]) -> Sequence[QuotedLine]:
    """Return the last lines: context before them is dropped first."""
    return lines[-_MOST_LINES:]


def _last_of_each(lines: Sequence[QuotedLine]) -> list[QuotedLine]:
    streams = dict.fromkeys(line.stream for line in lines)
    share = min(_MOST_PER_STREAM, max(1, _MOST_LINES // max(1, len(streams))))
    kept = [
        line
        for stream in streams
        for line in [one for one in lines if one.stream == stream][-share:]
    ]
    return sorted(kept, key=lambda line: line.at_s)


def _quoted(lines: Sequence[QuotedLine]) -> Iterator[str]:
    streams = max((len(line.stream) for line in lines), default=0)
    return (f"{line.at_s:7.1f} s {line.stream:{streams}} | {_short(line.text)}" for line in lines)


def _often(sighting: Sighting) -> Iterator[str]:
    if sighting.count > 1:
        yield f"  seen {sighting.count} times, first after {sighting.at_s:.1f} s"


def _rest(evidence: str, warnings: Sequence[Sighting], missing: Sequence[Missing]) -> Iterator[str]:
    for one in missing[:_MOST_MISSING]:
        brought_by = f"; {one.package} brings it" if one.package else ""
        yield f"  missing: {one}{brought_by}"
    yield from _more(len(missing) - _MOST_MISSING, "missing")
    for warning in warnings[:_MOST_WARNINGS]:
        allowed = f" (allowed: {warning.allowed_by})" if warning.allowed_by else ""
        yield f"  warning: {_short(warning.cause)}, after {warning.at_s:.1f} s{allowed}"
    yield from _more(len(warnings) - _MOST_WARNINGS, "warning")
    yield f"  evidence: {evidence}"


def _more(count: int, what: str) -> Iterator[str]:
    if count > 0:
        yield f"  {what}: and {count} more, in report.json"


def _short(text: str) -> str:
    """Return `text` as one line that fits; QEMU's last words come with line ends."""
    return shortened(" ".join(text.split()), _WIDTH)
