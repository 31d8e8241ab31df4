"""Placeholders in rows: the claims of an image replace `{ocp}` in `equals = "{ocp}"`.

    {version}     the version of the CoreOS base, such as 9.6.20250203-0
    {rhel}        the RHEL version that it is built from, such as 9.6
    {rhel_major}  the RHEL version without the minor version
    {ocp}         the OpenShift version of the node image, such as 4.20

If the claim is unknown, the placeholder fits any value of the right form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.model.versions.version import Version

_FORMS = {
    "version": r"\d[\w.-]*", "rhel": r"\d+(?:\.\d+)?", "rhel_major": r"\d+", "ocp": r"\d+\.\d+",
}  # fmt: skip
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


def values(base: Version | None, ocp: str | None) -> dict[str, str]:
    """Return the known values of the placeholders."""
    known = {} if base is None else {"version": base.text}
    if base is not None and base.rhel is not None:
        known |= {"rhel": base.rhel, "rhel_major": str(base.rhel_major)}
    return known if ocp is None else known | {"ocp": ocp}


def pattern(regular_expression: str, known: Mapping[str, str]) -> str:
    """Return a regular expression with its placeholders filled."""
    return _PLACEHOLDER.sub(lambda found: _part(found[1], known), regular_expression)


def literal_pattern(text: str, known: Mapping[str, str]) -> str:
    """Return a regular expression that fits only `text`, with its placeholders filled."""
    parts = _PLACEHOLDER.split(text)
    return "".join(
        _part(part, known) if number % 2 else re.escape(part) for number, part in enumerate(parts)
    )


def shown(text: str, known: Mapping[str, str]) -> str:
    """Return `text` for messages: placeholders without a known value are kept."""
    return _PLACEHOLDER.sub(lambda found: known.get(found[1], found[0]), text)


def require_known(text: str) -> None:
    """Raise ValueError if a text has an unknown placeholder."""
    for name in _PLACEHOLDER.findall(text):
        if name not in _FORMS:
            known = ", ".join(f"{{{each}}}" for each in _FORMS)
            raise ValueError(f"{{{name}}} is not a placeholder; use one of: {known}")


def _part(name: str, known: Mapping[str, str]) -> str:
    return re.escape(known[name]) if name in known else _FORMS[name]
