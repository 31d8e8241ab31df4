"""Whatever guests, tests and users write, the page shows it as text and does nothing else."""

from __future__ import annotations

import html
from dataclasses import replace

import msgspec
import pytest
from page_reader import Reader

from harness.folders import fixture
from harness.model.record import (
    Blame,
    LayerRecord,
    MissingCommand,
    Outcome,
    QuotedLine,
    RunRecord,
    Sighting,
    State,
    TestRecord,
    Weight,
)
from harness.report import document, page

GOOD = document.read(fixture("examples/report-good.json"))
FAILED = document.read(fixture("examples/report-failed.json"))
CONSOLE = ("line 1", "line 2")
HOSTILE = (
    "</title></style><script>alert(1)</script><img src=x onerror='alert(2)'>\"onload=\"&lt;b&gt;"
)


def hostile_run() -> RunRecord:
    """A run whose every free text is hostile."""
    line = QuotedLine(stream=HOSTILE, at_s=1.0, text=HOSTILE)
    sighting = Sighting(
        rule=HOSTILE, weight=Weight.FATAL, blame=Blame.PRODUCT, phase=HOSTILE, at_s=1.0,
        cause=HOSTILE, advice=HOSTILE, source=f"https://a.example/{HOSTILE}", lines=(line,),
        allowed_by=f"https://a.example/{HOSTILE}",
    )  # fmt: skip
    missing = MissingCommand(caller=HOSTILE, command=HOSTILE, package=HOSTILE, line=line)
    machine = replace(
        GOOD.machines[0], name=HOSTILE, scenario=HOSTILE, folder=HOSTILE, artifacts=(HOSTILE,),
        phases=tuple(replace(p, name=HOSTILE, title=HOSTILE) for p in GOOD.machines[0].phases),
        sightings=tuple(replace(sighting, weight=weight) for weight in Weight),
        node_image=HOSTILE,
        missing_commands=(missing,),
        before=LayerRecord(packages=(HOSTILE, f"a-{HOSTILE}-1.x"), os_release={HOSTILE: HOSTILE}),
        after=LayerRecord(packages=(f"b{HOSTILE}", "a-1-1.x"), os_release={HOSTILE: "1"}),
    )  # fmt: skip
    tests = tuple(
        TestRecord(id=HOSTILE, outcome=outcome, blame=Blame.TEST, message=HOSTILE,
                   scenario=HOSTILE, allowed_by=HOSTILE)
        for outcome in Outcome
    )  # fmt: skip
    return RunRecord(
        id=HOSTILE, started=HOSTILE, ended=HOSTILE, subject={HOSTILE: HOSTILE, "stand_in": "yes"},
        host={HOSTILE: HOSTILE}, machines=(machine, replace(machine, before=None)), tests=tests,
        notes=(HOSTILE,), exit_code=1,
    )  # fmt: skip


def test_no_free_text_of_the_hostile_run_is_harmless() -> None:
    """A field added to the records must be planted above, too."""
    plain = [
        text for text in texts(msgspec.to_builtins(hostile_run()))
        if HOSTILE not in text and text not in WORDS
    ]  # fmt: skip

    assert plain == []


WORDS = {
    *(member.value for kind in (Weight, Blame, Outcome, State) for member in kind),
    *("yes", "1", "a-1-1.x", "b" + HOSTILE, "", GOOD.machines[0].started),
}


def texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in texts(item)]
    if isinstance(value, list | tuple):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) else []


@pytest.fixture(scope="module")
def pages() -> tuple[str, str]:
    """Usual runs, and the hostile one."""
    usual = page.render(GOOD, {"ipi_bootstrap": CONSOLE}) + page.render(FAILED, {})
    return usual, page.render(hostile_run(), {HOSTILE: (HOSTILE,)})


# Prow's HTML lens unescapes the page once more than a browser does; see harness/report/inert.py.
@pytest.mark.parametrize("unescape", [str, html.unescape], ids=["browser", "spyglass"])
def test_text_of_guests_cannot_inject_html(pages: tuple[str, str], unescape: type[str]) -> None:
    usual, shown = pages

    found, expected = Reader(unescape(shown)), Reader(usual)

    assert found.tags - {"wbr"} <= expected.tags
    assert found.attributes <= expected.attributes
    assert not [link for link in found.links if "script:" in link]
    assert HOSTILE in found.text
    assert "<script" not in shown
