from __future__ import annotations

import pytest

from harness.machine.domain.domain import SecurityLabel
from harness.machine.driver import Code, explain, security_labels


def capabilities(*models: str) -> str:
    secmodels = "".join(f"<secmodel><model>{model}</model></secmodel>" for model in models)
    return f"<capabilities><host>{secmodels}</host></capabilities>"


def test_qemu_runs_as_the_user_and_unconfined() -> None:
    assert security_labels(capabilities("selinux", "dac"), 1000, 100) == (
        SecurityLabel(model="selinux", label=None),
        SecurityLabel(model="dac", label="+1000:+100"),
    )


def test_a_driver_without_security_needs_no_label() -> None:
    assert security_labels(capabilities("none"), 1000, 100) == ()
    assert security_labels(capabilities(), 1000, 100) == ()


@pytest.mark.parametrize(
    ("uri", "code", "way_out"),
    [
        ("qemu:///embed", Code.NO_CONNECT, "install libvirt's QEMU driver"),
        ("qemu:///embed", Code.INVALID_ARG, "create the system user"),
        ("qemu:///system", Code.SYSTEM_ERROR, "start libvirt's daemon"),
        ("qemu:///system", Code.AUTH_UNAVAILABLE, "group libvirt"),
        ("bogus:///", 1, "connection URIs"),
    ],
)
def test_each_refusal_names_its_way_out(uri: str, code: int, way_out: str) -> None:
    error = explain(uri, code, "what libvirt said")

    assert error.subject == uri
    assert "what libvirt said" in error.problem
    assert way_out in error.remedy
