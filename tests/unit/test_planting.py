"""The search for planted secrets finds them in every encoding of artifacts, and nothing else."""

from __future__ import annotations

import base64
import bz2
import gzip
import html
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from planting.inputs import plant
from planting.search import found_in

_SECRET = 'q7Wz&<pl4nted>"secret'
_TEXT = f"user: planted\npassword: {_SECRET}\n"


def _b64(data: bytes) -> bytes:
    return base64.b64encode(data)


def _wrapped(data: bytes) -> bytes:
    text = _b64(data * 3)
    return b"\n".join(text[at : at + 40] for at in range(0, len(text), 40))


@pytest.mark.parametrize(
    "encode",
    [
        bytes, _b64, lambda data: _b64(_b64(data)), base64.urlsafe_b64encode, _wrapped,
        gzip.compress, lzma.compress, bz2.compress,
        lambda data: _b64(gzip.compress(data)), lambda data: _b64(_b64(lzma.compress(data))),
        lambda data: quote(data).encode(), lambda data: data.decode().encode("utf-16"),
        lambda data: data.hex().encode(), lambda data: b"".join(b"%%%02x" % c for c in data),
        lambda data: json.dumps({"x": json.dumps(data.decode())}).encode(),
        lambda data: html.escape(data.decode()).encode(),
        lambda data: b'{"source":"data:;base64,' + _b64(data) + b'"}',
        lambda data: b"prefix" + _b64(data),
        lambda data: gzip.compress(quote(_b64(data)).encode()),
    ],
    ids=[
        "plain", "base64", "base64 twice", "url base64", "wrapped", "gzip", "xz", "bzip2",
        "gzip in base64", "xz in base64 twice", "percent", "utf-16", "hex", "all percent",
        "json twice", "html", "data url", "inside a word", "three times",
    ],
)  # fmt: skip
def test_a_secret_is_found_as(encode: Callable[[bytes], bytes], tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "x.log").write_bytes(encode(_TEXT.encode()))

    assert found_in(tmp_path, {"planted": _SECRET, "other": "q7Wz&<other"}) == [
        "report/x.log: planted"
    ]


def test_a_secret_in_a_files_name_is_found(tmp_path: Path) -> None:
    (tmp_path / "sha256~planted.log").write_text("")

    assert found_in(tmp_path, {"token": "sha256~planted"}) == ["sha256~planted.log: token"]


def test_what_is_planted_is_in_the_inputs_except_the_environment(tmp_path: Path) -> None:
    planted = plant(tmp_path)
    names = {line.partition(": ")[2] for line in found_in(tmp_path, planted.needles)}

    assert names == {*planted.needles} - {"proxy in the environment"}
    assert planted.needles["proxy in the environment"] in planted.env["https_proxy"]
