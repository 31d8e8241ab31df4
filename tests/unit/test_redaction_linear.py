"""Redaction of a line takes time in proportion to its length, whatever a guest writes.

Times are compared with each other only: eight times the input may not take much more than eight
times as long, where a quadratic pattern takes 64 times as long.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from harness.model import escapes
from harness.model.secrets import config, kinds, known, opened, redaction
from harness.model.secrets.redaction import LineRedactor, Redactor
from harness.model.secrets.signs import SIGNS

SMALL = 1 << 12
GROWTH = 8
MOST = 3.0 * GROWTH
TRIES = 5
KEY = "-----BEGIN RSA PRIVATE KEY-----"
EXAMPLES = (
    f"{KEY}abc-----END RSA PRIVATE KEY-----",
    "b3BlbnNzaC1rZXktdjEAAAA=",
    "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCg==",
    r'"password": "with \" quote", "x"',
    r"\\\"identitytoken\\\": \\\"abc\\\"",
    "token=abcd1234",
    "token: <abcdef.0123456789abcdef",
    "password: hunter",
    r"\"--password\" \"$6$salt$hash\"",
    "Authorization:[Basic dXNlcjpw]",
    '"Basic dXNlcjpwYXNz"',
    "Bearer t0ken-of-me,",
    "curl -sku admin:hunter2 x",
    "curl -b session=abc123",
    "wget --cookie session=abc123",
    "-u admin:hunter2",
    "sshpass -p 'hunter 2'",
    "ipmitool -P s3cret",
    "SSHPASS=abc",
    "-passin pass:abc",
    "echo core:s3cret | sudo chpasswd",
    "login me password hunter2",
    "Cookie: a=b; c=d",
    "https://me:tok3n@host/x",
    "ftp://me:tok3n@host/x",
    "X-Amz-Signature=0123456789abcdef0123",
    "&sig=0123456789abcdefgh%3D",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJub2RlIn0.c2lnbmF0dXJl",
    "ImF1dGhzIAAAAAAAAAAAAAAAAAAAAAAAAA==",
    "$6$rounds=5000$saltsalt$aBcD./0123",
    r'"data:text/plain;charset=utf-8,a%20b\\u0026"',
    "sha256~AbCdEfGhIjKlMnOpQrStUv",
    "AKIAIOSFODNN7EXAMPLE",
    f"ghp_{'a1B2' * 9}",
    f"github_pat_{'a1_B' * 9}",
    f"glpat-{'a-1B' * 5}",
    f"AIza{'a-1B_' * 7}",
    "xoxb-1234567890-abc",
    f"AGE-SECRET-KEY-1{'A1' * 20}",
    "abcdef.0123456789abcdef",
    "abcde-ABCDE-12345-abcde",
    "PrivateKey = abcdefghij0123",
    *(f"{begin}{'Ab0/' * 12}" for begin in ("H4sI", "/Td6WFoA", "QlpoO", "KLUv/")),
    *(f"{begin}{'Ab0/' * 12}" for begin in ("SDRzS", "L1RkNldGb", "X1RkNldGb", "UWxwb", "S0xVd")),
    '"MESSAGE" : "abc\\"d"',
    '{"data":{"a":"b\\"c"}}',
    "s3cr3t-0f-m1ne",
    "%73%33cr3t word%20x",
)
REPRODUCERS = ("token:<", "eyJ", "token:%", "-----BEGIN PRIVATE KEY-----\r")
FILLERS = (" ", "\\", '"', "a", "0", "-", ".", "=", ":", "/", "%", ",", "\r", "\x1b[")


def test_each_sign_has_an_example() -> None:
    lacking = [sign.pattern for sign in SIGNS if not any(map(sign.search, EXAMPLES))]

    assert lacking == []


def known_redactor() -> Redactor:
    redactor = Redactor()
    redactor.add("s3cr3t-0f-m1ne")
    redactor.add("a" * 3000)
    return redactor


REDACTOR = known_redactor()


def is_linear(act: Callable[[str], object], text: Callable[[int], str], tries: int = TRIES) -> bool:
    """Return whether the time of `act` grows as its input does, in any of several tries."""
    small, large = text(SMALL), text(SMALL * GROWTH)
    for _ in range(tries):
        most_s = min(seconds(act, small) for _ in range(3)) * MOST
        if any(seconds(act, large) < most_s for _ in range(2)):
            return True
    return False


def seconds(act: Callable[[str], object], text: str) -> float:
    began = time.thread_time()
    act(text)
    return time.thread_time() - began


def repeated(piece: str) -> Callable[[int], str]:
    return lambda size: (piece * (size // len(piece) + 1))[:size]


def unterminated(piece: str) -> Callable[[int], str]:
    """Return what begins as a sign does and goes on without its end, once and again."""
    half = piece[: max(3, len(piece) // 2)]
    return lambda size: repeated(half)(size // 2) + piece[:-1] + "x" * (size // 2)


def nested(piece: str) -> Callable[[int], str]:
    """Return all beginnings first, then all ends."""
    half = max(1, len(piece) // 2)
    return lambda size: (
        piece[:half] * (size // len(piece) + 1) + piece[half:] * (size // len(piece) + 1)
    )


@pytest.mark.parametrize("form", [repeated, unterminated, nested])
@pytest.mark.parametrize("example", [*EXAMPLES, *REPRODUCERS])
def test_redaction_of_a_line_is_linear(
    example: str, form: Callable[[str], Callable[[int], str]]
) -> None:
    assert is_linear(REDACTOR, form(example))


ORDINARY = "systemd[1]: Started foo-bar.service - The Foo Bar Service of https://x.example/y.\n"


@pytest.mark.parametrize("example", EXAMPLES)
def test_beginnings_of_a_secret_with_what_may_follow_are_linear(example: str) -> None:
    """A slow one costs hundreds of times as much as ordinary text: only those are measured."""
    REDACTOR(ORDINARY)
    ordinary = min(seconds(REDACTOR, repeated(ORDINARY)(SMALL)) for _ in range(3))
    pieces = [example[:end] + filler for end in range(3, len(example), 9) for filler in FILLERS]

    slow = [p for p in pieces if seconds(REDACTOR, repeated(p)(SMALL)) > ordinary * 20]

    assert [piece for piece in slow if not is_linear(REDACTOR, repeated(piece))] == []


WHOLE = ("SECRET_NAME", "_UNIT_NAME", "_DATA", "_URL_OF_NO_LOGIN")  # matched with a whole text
PATTERNS = {
    f"{module.__name__}.{name}": value
    for module in (config, kinds, known, opened, redaction, escapes)
    for name, value in vars(module).items()
    if isinstance(value, re.Pattern) and name not in WHOLE
} | {f"doubt {number}": doubt for number, doubt in enumerate(kinds._DOUBTS)}


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_beside_the_signs_are_linear(name: str) -> None:
    def scan(text: str) -> None:
        for _ in PATTERNS[name].finditer(text):
            pass

    assert all(is_linear(scan, repeated(piece)) for piece in (*REPRODUCERS, *EXAMPLES[::6]))


def test_unended_line_that_arrives_in_pieces_is_linear() -> None:
    def feed(text: str) -> None:
        lines = LineRedactor(REDACTOR)
        for at in range(0, len(text), 64):
            lines.feed(text[at : at + 64])
        lines.finish()

    assert is_linear(feed, lambda size: repeated("token:<")(size * 4))


def test_text_of_begins_is_searched_for_parts_in_linear_time() -> None:
    assert is_linear(lambda text: list(known.parts_of(text)), repeated(f"{KEY}\n"))


def test_measure_finds_a_quadratic_pattern() -> None:
    slow = re.compile(r"eyJ[\w-]{6,}\.")

    assert not is_linear(slow.search, lambda size: repeated("eyJ")(size // 2), tries=1)
