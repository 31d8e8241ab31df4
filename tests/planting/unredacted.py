"""pytest's plugin for a run without redaction: what is planted must be found then."""

from __future__ import annotations

from harness.model.secrets.redaction import LineRedactor, Redactor
from harness.watching import evidence


def _same(_: object, value: object) -> object:
    return value


def _same_document(document: object, _: object) -> object:
    return document


for _owner, _names in (
    (Redactor, ("__call__", "within_lines", "value")), (LineRedactor, ("__call__", "feed")),
):  # fmt: skip
    for _name in _names:
        setattr(_owner, _name, _same)
vars(evidence)["redacted"] = _same_document
