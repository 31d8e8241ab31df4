"""os-release files are read as the shell reads them."""

from __future__ import annotations

import pytest

from harness.model import os_release


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("NAME=plain", "plain"),
        ('NAME="Red Hat Enterprise Linux CoreOS"', "Red Hat Enterprise Linux CoreOS"),
        ("NAME='single $quoted \\n'", "single $quoted \\n"),
        (r'NAME="a \"b\" \$c \`d\` \\e"', 'a "b" $c `d` \\e'),
        (r'NAME="a \n stays"', r"a \n stays"),
        (r"NAME=two\ words", "two words"),
        ("NAME=", ""),
        ('NAME=""', ""),
        ('  NAME="indented"  ', "indented"),
        ('NAME="a=b"', "a=b"),
        ('NAME="9.6.20250203-0 (Plow)"', "9.6.20250203-0 (Plow)"),
    ],
)
def test_value_is_unquoted(line: str, value: str) -> None:
    assert os_release.parse(line)["NAME"] == value


@pytest.mark.parametrize("line", ["# NAME=x", "", "no assignment", "1NAME=x", "=x"])
def test_other_lines_are_skipped(line: str) -> None:
    assert os_release.parse(f"{line}\nID=rhel\n") == {"ID": "rhel"}


def test_last_assignment_wins() -> None:
    text = 'OPENSHIFT_VERSION="4.18"\nID=rhel\nOPENSHIFT_VERSION="4.19"\n'

    assert os_release.parse(text)["OPENSHIFT_VERSION"] == "4.19"
