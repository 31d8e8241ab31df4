"""The page in a real browser: it asks for nothing, fits a phone, and runs no guest's text.

Needs the distribution's package `chromium`; the driver is playwright's, without its own browsers.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    ElementHandle,
    FloatRect,
    Page,
    Request,
    sync_playwright,
)

from harness.folders import fixture
from harness.model.record import PhaseRecord, QuotedLine, RunRecord
from harness.model.run_folder import PAGE
from harness.report import document, page, timeline

GOOD = document.read(fixture("examples/report-good.json"))
FAILED = document.read(fixture("examples/report-failed.json"))
LONG = "\n".join(f"[ {n}.0] {'unbroken' * 60}" for n in range(40))
RUNS = {"good": GOOD, "failed": FAILED}
PHONE_PX, SMALLEST_PX, DESK_PX = 390, 360, 1280
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
# As Prow's HTML lens embeds a page: kubernetes-sigs/prow pkg/spyglass/lenses/html/html.go.
SPYGLASS = (
    '<iframe srcdoc="<div id=&quot;wrapper&quot;>{}</div>" width="100%" height="3000"'
    ' sandbox="allow-scripts allow-popups allow-same-origin allow-forms"></iframe>'
)
HOSTILE = "<script>window.top.hit=1</script><img src=x onerror='window.top.hit=2'>&lt;b&gt; words"


@dataclass(slots=True, kw_only=True)
class Opened:
    """A page in the browser, with what it asked for and what it complained of."""

    page: Page
    asked: list[str]
    complaints: list[str]

    @property
    def overflow_px(self) -> int:
        """Pixels by which it is wider than the screen."""
        root = "document.documentElement"
        return int(self.page.evaluate(f"{root}.scrollWidth - {root}.clientWidth"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        pytest.fail(f"none of {', '.join(PROGRAMS)} is there: install the package chromium")
    # Chromium refuses to sandbox itself for root, as whom containers run tests.
    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield running
        running.close()


def opened(
    browser: Browser, file: Path, width_px: int, scheme: str = "light", scripts: bool = True
) -> Opened:
    context = browser.new_context(
        viewport={"width": width_px, "height": 800},
        color_scheme="dark" if scheme == "dark" else "light",
        java_script_enabled=scripts,
    )
    tab = context.new_page()
    found = Opened(page=tab, asked=[], complaints=[])

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            found.complaints.append(message.text)

    def see(request: Request) -> None:
        found.asked.append(request.url)

    tab.on("console", hear)
    tab.on("pageerror", lambda error: found.complaints.append(str(error)))
    tab.on("request", see)
    tab.goto(file.as_uri())
    return found


def written(run: RunRecord, folder: Path) -> Path:
    file = folder / PAGE
    excerpts = {"ipi_bootstrap": page.console_excerpt(LONG, "none")}
    file.write_text(page.render(run, excerpts), encoding="utf-8")
    return file


def hostile_run() -> RunRecord:
    line = QuotedLine(stream="console", at_s=1.0, text=HOSTILE)
    sightings = tuple(
        replace(s, cause=HOSTILE, lines=(line,)) for s in FAILED.machines[0].sightings
    )
    shown = f"{FAILED.tests[0].message}\n{HOSTILE}"
    tests = tuple(replace(test, message=shown, id=HOSTILE) for test in FAILED.tests)
    machine = replace(FAILED.machines[0], sightings=sightings)
    return replace(FAILED, id=HOSTILE, machines=(machine,), tests=tests)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width_px", [SMALLEST_PX, PHONE_PX, DESK_PX])
@pytest.mark.parametrize("name", RUNS)
def test_page_is_quiet_and_fits(
    browser: Browser, tmp_path: Path, name: str, width_px: int, scheme: str
) -> None:
    file = written(RUNS[name], tmp_path)

    found = opened(browser, file, width_px, scheme)
    found.page.eval_on_selector_all("details", "all => all.forEach(each => each.open = true)")

    assert found.asked == [file.as_uri()]
    assert found.complaints == []
    assert found.overflow_px == 0
    clipped = (
        "all => all.filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0)"
        ".map(e => e.outerHTML.slice(0, 200))"
    )
    blocks = "p, li, td, dd, pre, summary, h1, h2, .lines, .console"
    assert found.page.eval_on_selector_all(blocks, clipped) == []
    found.page.context.close()


def test_page_shows_its_content(browser: Browser, tmp_path: Path) -> None:
    found = opened(browser, written(FAILED, tmp_path), DESK_PX, scripts=False)

    assert found.page.title() == "Node image: Failed: product and rig"
    assert found.page.inner_text("h1") == "Failed: product and rig"
    heads = [head.inner_text() for head in found.page.query_selector_all("h2")]
    assert [head.split()[0] for head in heads] == [
        "Why", "Red", "What", "ipi_bootstrap", "Findings", "Other", "Console", "Files",
    ]  # fmt: skip
    shown = found.page.inner_text("section.why")
    assert "the pull of the node image failed 3 times: error: Creating importer" in shown
    assert "says nothing about RHEL" in found.page.inner_text("aside")
    found.page.context.close()


def many_phases() -> RunRecord:
    """Two machines of three boots: long titles, phases of no length, one that lasts."""
    long = f"a title of many words that goes on {'without-an-end-' * 8}"
    phases = [
        PhaseRecord(
            name=f"{boot}-{number}", title=long if number == 3 else f"phase {number}", boot=boot,
            begin_s=begin_s, end_s=None if (boot, number) == (3, 9) else begin_s + number % 4 * 10,
            depth=number % 2, is_failed=number == 7,
        )
        for boot in (1, 2, 3)
        for number, begin_s in enumerate(range(boot * 100 - 100, boot * 100, 10))
    ]  # fmt: skip
    phases.append(PhaseRecord(name="last", title="last", boot=3, begin_s=320.0, end_s=320.0))
    sightings = tuple(replace(s, at_s=320.0) for s in FAILED.machines[0].sightings)
    machine = replace(FAILED.machines[0], phases=tuple(phases), sightings=sightings, boots=3)
    return replace(FAILED, machines=(machine, replace(machine, name="another")))


TIMELINES = {**RUNS, "many": many_phases()}


@pytest.mark.parametrize("width_px", [SMALLEST_PX, PHONE_PX, DESK_PX])
@pytest.mark.parametrize("name", TIMELINES)
def test_timeline_can_be_read(browser: Browser, tmp_path: Path, name: str, width_px: int) -> None:
    run = TIMELINES[name]

    found = opened(browser, written(run, tmp_path), width_px)

    tables = found.page.query_selector_all("table.timeline")
    assert len(tables) == len(run.machines)
    assert found.overflow_px == 0
    for table, machine in zip(tables, run.machines, strict=True):
        track = box_of(table.query_selector("thead .track"))
        assert track["width"] > width_px * (0.4 if width_px == DESK_PX else 0.8)
        bars = [box_of(bar) for bar in table.query_selector_all(".bar")]
        assert len(bars) == len(machine.phases)
        for bar in (*bars, *(box_of(mark) for mark in table.query_selector_all(".mark"))):
            assert bar["width"] >= 3
            assert bar["height"] >= 8
            assert track["x"] - 0.5 <= bar["x"]
            assert bar["x"] + bar["width"] <= track["x"] + track["width"] + 0.5
        ticks = [box_of(tick) for tick in table.query_selector_all("thead .track span")]
        for before, after in pairwise(ticks):
            assert before["x"] + before["width"] <= after["x"]
        clipped = "all => all.filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.outerHTML)"
        assert table.eval_on_selector_all("th", clipped) == []
    found.page.context.close()


def test_bars_are_in_their_places(browser: Browser, tmp_path: Path) -> None:
    found = opened(browser, written(GOOD, tmp_path), DESK_PX)

    rows = {row.phase.title: row for row in timeline.of(GOOD.machines[0]).rows}
    track = box_of(found.page.query_selector("thead .track"))
    for line in found.page.query_selector_all(".timeline tbody tr"):
        title, bar = line.inner_text().partition("\t")[0], box_of(line.query_selector(".bar"))
        row = rows[title]
        at_px = row.at / 100 * track["width"]
        assert bar["x"] - track["x"] == pytest.approx(at_px, abs=3)
        assert bar["width"] == pytest.approx(max(row.width / 100 * track["width"], 3), abs=1)
    found.page.context.close()


def test_bars_are_printed(browser: Browser, tmp_path: Path) -> None:
    found = opened(browser, written(GOOD, tmp_path), DESK_PX)

    found.page.emulate_media(media="print")

    style = "getComputedStyle(document.querySelector('.bar')).printColorAdjust"
    assert found.page.evaluate(style) == "exact"
    found.page.context.close()


def box_of(element: ElementHandle | None) -> FloatRect:
    box = element.bounding_box() if element else None
    assert box is not None
    return box


def test_colours_follow_the_readers_wish(browser: Browser, tmp_path: Path) -> None:
    file = written(GOOD, tmp_path)
    ground = "getComputedStyle(document.body).backgroundColor"

    grounds = [
        opened(browser, file, DESK_PX, scheme).page.evaluate(ground) for scheme in ("light", "dark")
    ]

    assert grounds == ["rgb(251, 251, 250)", "rgb(20, 23, 26)"]


@pytest.mark.parametrize("is_embedded", [False, True], ids=["alone", "spyglass"])
def test_text_of_guests_does_not_run(browser: Browser, tmp_path: Path, is_embedded: bool) -> None:
    file = written(hostile_run(), tmp_path)
    if is_embedded:
        inner = file.read_text(encoding="utf-8").replace('"', "&quot;")
        file = tmp_path / "spyglass.html"
        file.write_text(SPYGLASS.format(inner), encoding="utf-8")

    found = opened(browser, file, DESK_PX)
    frame = found.page.frames[-1]

    assert frame.inner_text(".why .cause") == HOSTILE
    assert frame.query_selector_all("img, script, b") == []
    assert found.page.evaluate("window.hit") is None
    assert [url for url in found.asked if not url.startswith(("file:", "about:"))] == []
    assert frame.evaluate("document.compatMode") == "CSS1Compat"
    found.page.context.close()
