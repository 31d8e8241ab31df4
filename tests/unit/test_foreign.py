"""JSON of others: one error for whatever is wrong with it."""

from __future__ import annotations

import json

import pytest

from harness.model.foreign import json_value


@pytest.mark.parametrize("text", ['{"a": [1, {"b": null}]}', b'"\xc3\xa4"', '"\\ud83d\\ude00"'])
def test_json_is_read_as_python_reads_it(text: str | bytes) -> None:
    assert json_value(text) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("[1", id="cut"),
        pytest.param(b"\xff", id="not UTF-8"),
        pytest.param("[" * 5000 + "]" * 5000, id="as deep as Python reads not"),
        pytest.param("[" * 200 + "]" * 200, id="deep, list"),
        pytest.param('{"a":' * 200 + "1" + "}" * 200, id="deep, object"),
        pytest.param("9" * 5000, id="thousands of digits"),
        pytest.param("[NaN]", id="not a number"),
        pytest.param("[-Infinity]", id="infinite"),
        pytest.param("[1e999]", id="too-large"),
        pytest.param('["\\ud800"]', id="half a pair"),
        pytest.param(b'{"\\uDC00": 1}', id="half a pair as a name"),
    ],
)
def test_what_cannot_be_used_is_one_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the type is the promise
        json_value(text)


def test_fault_in_the_text_keeps_its_place() -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        json_value('{\n"a": x}')

    assert (caught.value.lineno, caught.value.colno) == (2, 6)
