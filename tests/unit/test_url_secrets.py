"""URLs are printed without what may be a secret in them, alone and within sentences."""

from __future__ import annotations

import pytest

from harness.model.errors import DeadlineError, InputError
from harness.model.url_secrets import shown_url, with_shown_urls

SECRETS = ("me", "SECRET")
URLS = (
    "https://me:SECRET@h.example/x.qcow2",
    "https://me:SECRET@h.example:8443/x.qcow2",
    "https://SECRET@h.example/x.qcow2",
    "https://h.example/x.qcow2?sig=SECRET",
    "https://h.example/x.qcow2#SECRET",
    "https://h.example/x.qcow2?a=1&sig=SECRET#SECRET",
    "HTTPS://me:SEC@SECRET@h.example/x.qcow2",
    "https://me:SEC/SECRET@h.example/x.qcow2",
    "https://me:SEC#SECRET@h.example/x.qcow2",
    "https://me:12?SECRET@h.example/x.qcow2",
)


@pytest.mark.parametrize("url", URLS)
def test_a_url_is_shown_without_secrets(url: str) -> None:
    assert "SECRET" not in shown_url(url)
    assert shown_url(url).endswith("/x.qcow2")
    assert "h.example" in shown_url(url)


@pytest.mark.parametrize("url", [*URLS, "docker://me:SECRET@h.example/x.qcow2"])
@pytest.mark.parametrize("frame", ["{}", "{}: a b@c", "not '{}'.", "Use `get {}`. Or not", "({})"])
def test_a_url_in_a_sentence_is_shown_without_secrets(url: str, frame: str) -> None:
    shown = with_shown_urls(frame.format(url))

    assert "SECRET" not in shown
    before, after = frame.split("{}")
    assert shown.startswith(before)
    assert shown.endswith(f"h.example{url[url.index('/x.') :][:8]}{after}") or ":8443" in shown


@pytest.mark.parametrize(
    "text",
    [
        "docker://h.example:5000/a/b@sha256:0a: no",
        "docker://b@sha256:0a",
        "mail a@b: https://h/x",
        "stream:https://h/s.json#x86_64/qemu/qcow2.gz",
        "https://[::1]:80/a@b",
        "https://h: mail a@b",
        "stream:s.json#x86_64/qemu/qcow2.gz",
        "oci:a?b#c",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert with_shown_urls(text) == text


def test_errors_quote_no_secret() -> None:
    url = URLS[1]

    late = DeadlineError(url, 1.0, f"asking {url}", f"Use {url}.")

    for error in (InputError(url, f"no {url}", f"Use `{url}`."), late):
        assert "SECRET" not in f"{error}{error.subject}{error.problem}{error.remedy}"
    assert "SECRET" not in late.reason
