"""Package lines of `rpm -qa` become names, epochs, versions, releases and architectures."""

from __future__ import annotations

import pytest

from harness.model.errors import RigError
from harness.model.packages.nevra import Nevra


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("openshift-kubelet|0|4.19.0|1.el9|x86_64", "openshift-kubelet-4.19.0-1.el9.x86_64"),
        ("podman|5|5.4.0|1.el9|x86_64", "podman-5:5.4.0-1.el9.x86_64"),
        ("gpg-pubkey|0|fd431d51|4ae0493b|(none)", "gpg-pubkey-fd431d51-4ae0493b.(none)"),
    ],
)
def test_package_reads_as_rpm_writes_it(line: str, text: str) -> None:
    assert str(Nevra.parse(line)) == text


def test_fields_are_kept_apart() -> None:
    assert Nevra.parse("a-b|2|1.0~rc1|3|noarch") == Nevra(
        name="a-b", epoch=2, version="1.0~rc1", release="3", arch="noarch"
    )


@pytest.mark.parametrize(
    "line",
    [
        "", "a|0|1|2", "a|0|1|2|x|y", "a|(none)|1|2|x", "|0|1|2|x", f"a|{'9' * 5000}|1|2|x",
        "a|٣|1|2|x",
    ],
)  # fmt: skip
def test_other_lines_are_refused_and_shown(line: str) -> None:
    with pytest.raises(RigError, match="unexpected line") as caught:
        Nevra.parse(line)

    assert repr(line)[:40] in str(caught.value)
