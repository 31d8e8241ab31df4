"""Packages differ by name and version, os-release by its fields."""

from __future__ import annotations

import pytest

from harness.report.differences import (
    Change,
    PackageChanges,
    field_changes,
    package_changes,
)


def test_alike_systems_differ_in_nothing() -> None:
    packages = ("bash-5.1.8-9.el9.x86_64", "podman-5:5.4.0-1.el9.x86_64")

    assert not package_changes(packages, packages[::-1])


def test_packages_are_compared_by_name() -> None:
    old = ("cri-o-1.31.0-1.el9.x86_64", "toolbox-0.1-1.el9.noarch")
    new = ("cri-o-1.32.0-1.el9.x86_64", "cri-tools-1.32.0-1.el9.x86_64")

    assert package_changes(old, new) == PackageChanges(
        added=("cri-tools-1.32.0-1.el9.x86_64",),
        removed=("toolbox-0.1-1.el9.noarch",),
        changed=(Change("cri-o", "1.31.0-1.el9", "1.32.0-1.el9"),),
    )


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        pytest.param(
            ["podman-5.4.0-1.el9.x86_64"],
            ["podman-5:5.4.0-1.el9.x86_64"],
            Change("podman", "5.4.0-1.el9", "5:5.4.0-1.el9"),
            id="epoch",
        ),
        pytest.param(
            ["kernel-5.14.0-570.el9.x86_64"],
            ["kernel-5.14.0-570.el9.x86_64", "kernel-5.14.0-571.el9.x86_64"],
            Change("kernel", "5.14.0-570.el9", "5.14.0-570.el9, 5.14.0-571.el9"),
            id="installed twice",
        ),
        pytest.param(
            ["glibc-2.34-1.el9.x86_64"],
            ["glibc-2.34-1.el9.x86_64", "glibc-2.34-1.el9.i686"],
            Change("glibc", "2.34-1.el9.x86_64", "2.34-1.el9.i686, 2.34-1.el9.x86_64"),
            id="one more architecture",
        ),
        pytest.param(
            ["gpg-pubkey-fd431d51-4ae0493b.(none)"],
            ["gpg-pubkey-5a6340b3-6229229e.(none)"],
            Change("gpg-pubkey", "fd431d51-4ae0493b", "5a6340b3-6229229e"),
            id="key",
        ),
    ],
)
def test_one_package_changes(old: list[str], new: list[str], change: Change) -> None:
    assert package_changes(old, new) == PackageChanges(changed=(change,))


def test_text_of_another_form_is_a_name() -> None:
    assert package_changes(["oddity"], ["oddity", "a-name"]) == PackageChanges(added=("a-name",))


def test_fields_that_differ_or_that_one_side_lacks() -> None:
    old = {"ID": "rhel", "VERSION_ID": "9.6", "VARIANT": "CoreOS"}
    new = {"ID": "rhel", "VERSION_ID": "10.0", "OPENSHIFT_VERSION": "4.19"}

    assert field_changes(old, new) == (
        ("OPENSHIFT_VERSION", None, "4.19"),
        ("VARIANT", "CoreOS", None),
        ("VERSION_ID", "9.6", "10.0"),
    )
