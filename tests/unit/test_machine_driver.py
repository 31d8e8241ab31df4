from __future__ import annotations

import pytest

from harness.machine.driver import Code, explain


@pytest.mark.parametrize(
    ("uri", "code", "way_out"),
    [
        ("qemu:///embed", Code.NO_CONNECT, "Install libvirt's QEMU driver"),
        ("qemu:///embed", Code.INVALID_ARG, "Create the system user"),
        ("qemu:///system", Code.SYSTEM_ERROR, "Start libvirt's daemon"),
        ("qemu:///system", Code.AUTH_UNAVAILABLE, "group libvirt"),
        ("bogus:///", 1, "connection URIs"),
    ],
)
def test_each_refusal_names_its_way_out(uri: str, code: int, way_out: str) -> None:
    error = explain(uri, code, "what libvirt said")

    assert error.subject == uri
    assert "what libvirt said" in error.problem
    assert way_out in error.remedy
