"""URLs are asked whether they answer; nothing is downloaded, and passing errors are asked again."""

from __future__ import annotations

from images_fakes import Web, deadline, served
from machine_fakes import FakeClock

from harness.images.acquire.answers import answers
from harness.model.clock import Deadline


def test_urls_that_answer_have_no_problem() -> None:
    with served(Web({"/a": b"1", "/b": bytes(1 << 20)})) as web:
        assert answers([f"{web.url}/a", f"{web.url}/b"], deadline()) == {}
        assert sorted(web.heads) == ["/a", "/b"]


def test_a_server_that_knows_no_head_is_asked_in_another_way() -> None:
    with served(Web({"/a": b"1"}, knows_head=False)) as web:
        found = answers([f"{web.url}/a", f"{web.url}/b"], deadline())

    assert found == {f"{web.url}/b": "the server answered 404"}


def test_a_missing_file_is_a_problem_and_asked_once() -> None:
    with served(Web({})) as web:
        assert answers([f"{web.url}/a"], deadline()) == {f"{web.url}/a": "the server answered 404"}
        assert len(web.requests) == 1


def test_a_busy_server_is_asked_again_up_to_four_times() -> None:
    clock = FakeClock()
    with served(Web({"/a": b"1"}, refusals=[503, 429, 500])) as web:
        assert answers([f"{web.url}/a"], Deadline.after(60, clock)) == {}
        assert (len(web.requests), clock.now) == (4, 14)
        web.refusals += [503] * 9
        found = answers([f"{web.url}/a"], Deadline.after(60, clock))

    assert found == {f"{web.url}/a": "the server answered 503"}


def test_what_cannot_be_reached_is_a_problem() -> None:
    with served(Web({})) as web:
        gone = f"{web.url}/a"
    malformed = "https://[::1"

    found = answers([gone, malformed], deadline())

    assert "refused" in found[gone]
    assert found[malformed].startswith("a malformed URL")


def test_nothing_is_asked_after_the_deadline() -> None:
    with served(Web({"/a": b"1"})) as web:
        found = answers([f"{web.url}/a"], deadline(0))
        assert web.requests == []

    assert found == {f"{web.url}/a": "not asked: the time was over"}
