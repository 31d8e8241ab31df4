from __future__ import annotations

import pytest

from harness.lint.os_questions import condition, is_answered, questions

THIN = {"ID": "rhel", "VERSION_ID": "9.6", "VERSION": "9.6.1-0 (Plow)", "OSTREE_VERSION": "9.6.1-0"}
FAT = {
    "ID": "rhcos", "VERSION_ID": "4.18", "VERSION": "418.94.1-0", "OSTREE_VERSION": "418.94.1-0",
    "OPENSHIFT_VERSION": "4.18",
}  # fmt: skip


def unanswered(text: str, answers: dict[str, str]) -> set[str]:
    asked = {want.name for want in questions(text)}
    return {name.partition("=")[0] for name in asked if not is_answered(name, answers)}


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('. /etc/os-release\ncase "$ID" in\n rhcos) a;;\n *) exit 1;;\nesac\n', "ID"),
        ("source /usr/lib/os-release; case ${ID} in rhcos | scos) a;; esac", "ID"),
        ('. /etc/os-release; [ "$ID" = "rhcos" ] || exit 1', "ID"),
        ("source /etc/os-release; if [[ $ID != rhcos ]]; then exit 1; fi", "ID"),
        ('. /etc/os-release; test "$ID" = rhcos', "ID"),
        ("[[ $(. /etc/os-release; echo $ID) == rhcos ]]", "ID"),
        ("grep -q '^ID=\"rhcos\"' /etc/os-release", "ID"),
        ("grep -qw rhcos /etc/os-release", "ID"),
        ("id=$(grep ^ID= /etc/os-release | cut -d= -f2); [[ $id =~ rhcos ]]", "ID"),
        ("id=$(awk -F= '/^ID=/{print $2}' /etc/os-release); case $id in *rhcos*) a;; esac", "ID"),
        ('. /etc/os-release; case "$VERSION_ID" in 4.1[0-9]) a;; esac', "VERSION_ID"),
        (". /etc/os-release; [ ${VERSION_ID%%.*} -eq 4 ]", "VERSION_ID"),
        ('[ "$(. /etc/os-release; echo $ID$VERSION_ID)" = rhcos4.18 ]', "ID"),
        (". /etc/os-release; [[ $VERSION_ID =~ ^4\\.[0-9]+$ ]]", "VERSION_ID"),
        ('. /etc/os-release; [[ "${VERSION%%.*}" == 41* ]]', "VERSION"),
        ("grep -q 'VERSION_ID=\"4.18\"' /etc/os-release", "VERSION_ID"),
        ("v=$(grep ^OSTREE_VERSION= /etc/os-release | cut -d. -f1); [[ $v =~ ^4 ]]",
         "OSTREE_VERSION"),
        (". /etc/os-release; [[ $VERSION_ID < 4.12 ]] && exit", "VERSION_ID"),
        ("id() { . /etc/os-release; echo $ID; }; case $(id) in rhcos) a;; esac", "ID"),
        ("os() { grep ^ID= /etc/os-release; }; x=$(os); [[ $x == *rhcos* ]]", "ID"),
        ("grep ^VERSION= /etc/os-release | cut -d. -f1 | grep -q '^4'", "VERSION"),
        ("cat /etc/os-release | grep ^ID= | grep -q rhcos", "ID"),
        ("while IFS== read k v; do [[ $k == OSTREE_VERSION ]] && x=$v; done </etc/os-release",
         "OSTREE_VERSION"),
        (". /etc/os-release; v=${OSTREE_VERSION%%.*}", "OSTREE_VERSION"),
        ("sed -n 's/^OSTREE_VERSION=//p' </etc/os-release", "OSTREE_VERSION"),
        (". /etc/os-release; echo $OPENSHIFT_VERSION", "OPENSHIFT_VERSION"),
        ("awk -F= '$1 == \"OPENSHIFT_VERSION\" {print $2}' /etc/os-release", "OPENSHIFT_VERSION"),
    ],
)  # fmt: skip
def test_what_os_release_no_longer_answers_is_found(text: str, field: str) -> None:
    assert unanswered(text, THIN) == {field}
    assert unanswered(text, FAT) == set()


@pytest.mark.parametrize(
    "text",
    [
        '. /etc/os-release; case "$ID" in rhcos|rhel) a;; esac',
        '. /etc/os-release; [ "$ID" = rhcos ] || [ "$ID" = rhel ]',
        '. /etc/os-release; case "$ID" in fedora) a;; centos) b;; esac',
        '. /etc/os-release; echo "$ID $VERSION_ID"',
        ". /etc/os-release; [[ $VERSION_ID == 9.* ]]",
        "case $ID in rhcos) a;; esac",
        "grep PRETTY_NAME /etc/os-release",
        "grep ^VERSION= /etc/os-release | cut -d. -f1 | grep -q '^9'",
        "grep ^ID= /etc/os-release | grep -qE 'rhcos|rhel'",
        "cat /etc/os-release; case $1 in rhcos) a;; esac",
        "v=$(sed -n 's/^OPENSHIFT_VERSION=//p' \"$checkout/usr/lib/os-release\"); echo $v",
        'grep -q ^ID=rhcos "$root"/etc/os-release',
        "grep -q ^ID=rhcos ${root}/etc/os-release /sysroot/usr/lib/os-release",
    ],
)
def test_other_questions_are_answered(text: str) -> None:
    assert unanswered(text, THIN) == set()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("ID=rhcos", ["ID=rhcos"]),
        ('|ID="rhcos"', ["ID=rhcos"]),
        ("VERSION_ID=4.18", ["VERSION_ID=4.18"]),
        ("OPENSHIFT_VERSION>=4.16", ["OPENSHIFT_VERSION"]),
        ("ID=rhel", []),
        ("VARIANT_ID=coreos", []),
        ("", []),
    ],
)
def test_conditions_of_units_ask_os_release(value: str, expected: list[str]) -> None:
    assert [want.name for want in condition(value, 3)] == expected
