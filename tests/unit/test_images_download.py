from __future__ import annotations

import hashlib
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from images_fakes import Web, deadline, served
from machine_fakes import FakeClock

from harness.images.acquire.digest import Sha256
from harness.images.acquire.download import download, fetch_text
from harness.images.acquire.url import shown_url
from harness.images.container.registry import free_port
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, InputError

BODY = os.urandom(900_000)
SUM = Sha256(hashlib.sha256(BODY).hexdigest())


@pytest.fixture
def web() -> Iterator[Web]:
    with served(Web(files={"/disk": BODY})) as web:
        yield web


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "disk"


def leave_part(target: Path, content: bytes) -> None:
    target.with_name("disk.part").write_bytes(content)


def asked(web: Web) -> list[str | None]:
    """Return the Range of each request."""
    return [request.get("Range") for request in web.requests]


def test_content_arrives_and_nothing_else_is_left(web: Web, target: Path) -> None:
    download(f"{web.url}/disk", SUM, target, deadline())

    assert target.read_bytes() == BODY
    assert [path.name for path in target.parent.iterdir()] == ["disk"]


def test_an_interruption_is_resumed_where_it_happened(web: Web, target: Path) -> None:
    web.cuts = [300_000, 300_000]

    download(f"{web.url}/disk", SUM, target, deadline())

    assert asked(web) == [None, "bytes=300000-", "bytes=600000-"]
    assert target.read_bytes() == BODY


def test_a_later_run_resumes_what_an_earlier_one_left(web: Web, target: Path) -> None:
    leave_part(target, BODY[:500_000])

    download(f"{web.url}/disk", SUM, target, deadline())

    assert asked(web) == ["bytes=500000-"]
    assert target.read_bytes() == BODY


def test_complete_part_is_not_requested_again(web: Web, target: Path) -> None:
    leave_part(target, BODY)

    download(f"{web.url}/disk", SUM, target, deadline())

    assert asked(web) == [f"bytes={len(BODY)}-"]
    assert target.read_bytes() == BODY


@pytest.mark.parametrize(
    "part", [BODY + b"more", b"of another version"], ids=["longer than the file", "of another file"]
)
def test_a_part_that_cannot_be_continued_is_dropped(part: bytes, web: Web, target: Path) -> None:
    leave_part(target, part)

    download(f"{web.url}/disk", SUM, target, deadline())

    assert asked(web) == [f"bytes={len(part)}-", None]
    assert target.read_bytes() == BODY


def test_a_server_without_ranges_makes_it_start_over(web: Web, target: Path) -> None:
    web.knows_ranges = False
    web.cuts = [300_000]

    download(f"{web.url}/disk", SUM, target, deadline())

    assert asked(web) == [None, "bytes=300000-"]
    assert target.read_bytes() == BODY


def test_a_server_that_continues_elsewhere_makes_it_start_over(web: Web, target: Path) -> None:
    web.continues_at = 299_999
    web.cuts = [300_000]

    download(f"{web.url}/disk", SUM, target, deadline())

    assert asked(web) == [None, "bytes=300000-", None]
    assert target.read_bytes() == BODY


def test_a_wrong_digest_names_both_sums_and_removes_the_file(web: Web, target: Path) -> None:
    other = Sha256("0" * 64)

    with pytest.raises(InputError) as caught:
        download(f"{web.url}/disk", other, target, deadline())

    assert f"expected sha256 {other}, got {SUM}" in caught.value.problem
    assert list(target.parent.iterdir()) == []
    assert asked(web) == [None], "what came in one piece is not fetched again"


def test_a_wrong_digest_after_starting_over_is_an_error(web: Web, target: Path) -> None:
    leave_part(target, BODY[:500_000])

    with pytest.raises(InputError, match=f"got {SUM}"):
        download(f"{web.url}/disk", Sha256("0" * 64), target, deadline())

    assert asked(web) == ["bytes=500000-", None]
    assert list(target.parent.iterdir()) == []


def test_a_refused_range_that_was_not_asked_for_is_an_error(web: Web, target: Path) -> None:
    web.refusals = [416]

    with pytest.raises(InputError, match="416"):
        download(f"{web.url}/disk", SUM, target, deadline())


def test_missing_file_is_reported_at_once(web: Web, target: Path) -> None:
    with pytest.raises(InputError, match="404 Not Found"):
        download(f"{web.url}/nothing", SUM, target, deadline())

    assert len(web.requests) == 1


def test_a_busy_server_is_asked_again(web: Web, target: Path) -> None:
    web.refusals = [503, 429]

    download(f"{web.url}/disk", SUM, target, deadline())

    assert target.read_bytes() == BODY


def test_server_that_does_not_answer_is_an_error(target: Path) -> None:
    with pytest.raises(InputError, match="Connection refused"):
        download(f"http://127.0.0.1:{free_port()}/disk", SUM, target, deadline())


def test_what_arrived_by_the_deadline_is_kept(web: Web, target: Path) -> None:
    over = Deadline(limit_s=5, ends_at=0, clock=FakeClock())

    with pytest.raises(DeadlineError, match="download of http"):
        download(f"{web.url}/disk", SUM, target, over)

    assert target.with_name("disk.part").stat().st_size > 0


def test_loopback_is_reached_past_a_proxy(
    web: Web, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")

    download(f"{web.url}/disk", SUM, target, deadline())

    assert target.read_bytes() == BODY


def test_other_hosts_are_reached_through_the_proxy(
    web: Web, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.files["http://images.example/disk"] = BODY
    monkeypatch.setenv("HTTP_PROXY", web.url)

    download("http://images.example/disk", SUM, target, deadline())

    assert target.read_bytes() == BODY


def test_text_is_fetched_or_none_if_it_is_missing(web: Web) -> None:
    web.files["/disk.sha256"] = b"sum"

    assert fetch_text(f"{web.url}/disk.sha256", deadline()) == "sum"
    assert fetch_text(f"{web.url}/other.sha256", deadline()) is None


def test_a_text_that_the_server_cannot_give_now_is_an_error(web: Web) -> None:
    web.refusals = [503]

    with pytest.raises(InputError, match="503 Service Unavailable"):
        fetch_text(f"{web.url}/disk", deadline())


def test_text_that_exceeds_the_deadline_is_an_error(web: Web) -> None:
    web.files["/disk.sha256"] = b"sum"
    over = Deadline(limit_s=5, ends_at=0, clock=FakeClock())

    with pytest.raises(DeadlineError, match="download of http"):
        fetch_text(f"{web.url}/disk.sha256", over)


def test_server_that_answers_too_late_is_a_deadline_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        over = Deadline(limit_s=5, ends_at=0, clock=FakeClock())

        with pytest.raises(DeadlineError, match="download of http"):
            fetch_text(f"http://127.0.0.1:{silent.getsockname()[1]}/sum", over)


def test_only_the_start_of_a_long_text_is_read(web: Web) -> None:
    web.files["/notes"] = b"x" * 70_000

    assert fetch_text(f"{web.url}/notes", deadline()) == "x" * (1 << 16)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:p@ss@h.example:8/a/b@c.xz?token=s#x", "https://h.example:8/a/b@c.xz"),
        ("http://h.example/a", "http://h.example/a"),
        ("http://h.example?token=s", "http://h.example"),
    ],
)
def test_printed_url_has_no_secrets(url: str, shown: str) -> None:
    assert shown_url(url) == shown


def test_secrets_of_a_url_are_sent_and_not_printed(
    web: Web, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    web.files["/disk?token=s3cr3t"] = BODY
    url = web.url.replace("//", "//me:s3cr3t@")

    download(f"{url}/disk?token=s3cr3t", SUM, target, deadline())
    with pytest.raises(InputError) as caught:
        download(f"{url}/nothing?token=s3cr3t", SUM, target, deadline())

    assert web.requests[0]["Authorization"].startswith("Basic ")
    assert "s3cr3t" not in f"{caught.value} {caplog.text}"
    assert f"{web.url}/nothing" in str(caught.value)
