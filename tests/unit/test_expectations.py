"""Tables are read with every problem reported, and extend each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.model.errors import InputError
from harness.verdict.expectations import built_in, load, parse
from harness.verdict.rows import (
    FileRow,
    Invariant,
    InvariantRow,
    Layer,
    OsReleaseRow,
    PackageRow,
    Row,
    UnitRow,
)

ROWS: list[tuple[str, Row, str]] = [
    (
        '[[package]]\nname="openshift-kubelet"\nlayer="node"\nsource="s"',
        PackageRow(name="openshift-kubelet", layer=Layer.NODE, source="s"),
        "node-openshift-kubelet",
    ),
    (
        '[[package]]\nname="linux-image-*amd64"\nlayer="coreos"\nsource="s"\nabsent=true',
        PackageRow(name="linux-image-*amd64", layer=Layer.COREOS, source="s", absent=True),
        "coreos-linux-image-amd64",
    ),
    (
        '[[os_release]]\nkey="ID"\nlayer="coreos"\nequals="rhel"\nsource="s"',
        OsReleaseRow(key="ID", layer=Layer.COREOS, equals="rhel", source="s"),
        "coreos-ID",
    ),
    (
        '[[unit]]\nname="kubelet.service"\nlayer="node"\nsub="running"\nsource="s"',
        UnitRow(name="kubelet.service", layer=Layer.NODE, sub="running", source="s"),
        "node-kubelet.service",
    ),
    (
        '[[file]]\npath="/usr/bin/oc"\nlayer="node"\nsource="s"\npresent=false',
        FileRow(path="/usr/bin/oc", layer=Layer.NODE, source="s", present=False),
        "node-usr-bin-oc",
    ),
    (
        '[[invariant]]\nname="no-new-avc"\nsource="s"',
        InvariantRow(name=Invariant.NO_NEW_AVC, source="s"),
        "no-new-avc",
    ),
]


@pytest.mark.parametrize(("text", "row", "row_id"), ROWS, ids=[case[2] for case in ROWS])
def test_row_is_read_with_a_stable_id(text: str, row: Row, row_id: str) -> None:
    assert parse(text, "t.toml").rows == (row,)
    assert row.id == row_id


CLAIMS: list[tuple[Row, str]] = [
    (
        OsReleaseRow(key="ID", layer=Layer.COREOS, equals="rhel", source="s"),
        "os-release ID equals 'rhel', present in the bootimage and in the node",
    ),
    (
        OsReleaseRow(key="ID", layer=Layer.NODE, matches="r.+", source="s"),
        "os-release ID matches r.+, absent in the bootimage, present in the node",
    ),
    (
        OsReleaseRow(key="ID", layer=Layer.COREOS, absent=True, source="s"),
        "os-release ID absent in the bootimage and in the node",
    ),
    (
        UnitRow(name="a.service", layer=Layer.COREOS, source="s"),
        "unit a.service is active in the node",
    ),
    (
        UnitRow(name="a.service", layer=Layer.NODE, sub="running", source="s"),
        "unit a.service is active/running in the node, not active in the bootimage",
    ),
    (
        FileRow(path="/a", layer=Layer.NODE, source="s"),
        "/a absent in the bootimage, present in the node",
    ),
    (FileRow(path="/a", layer=Layer.NODE, present=False, source="s"), "/a absent in the node"),
]


@pytest.mark.parametrize(("row", "claim"), CLAIMS, ids=[case[1] for case in CLAIMS])
def test_row_claims_in_words(row: Row, claim: str) -> None:
    assert row.claim == claim


PACKAGE = '[[package]]\nname = "a"\nlayer = "node"\nsource = "s"\n'
A = "t.toml, [[package]] number 1 (a)"
BAD = [
    ("a =", "t.toml", "not TOML"),
    ("a = " + "[" * 5000, "t.toml", "not usable TOML"),
    ("a = " + "9" * 5000, "t.toml", "not usable TOML"),
    ("[[pakage]]\n", "t.toml", "unknown field `pakage`"),
    ("title = 3", "t.toml", "Expected `str`, got `int` - at `$.title`"),
    ("package = 3", "t.toml", "Expected `array`, got `int` - at `$.package`"),
    ("package = [3]", "t.toml, [[package]] number 1", "Expected `object`, got `int`"),
    (PACKAGE + "weight = 3", A, "unknown field `weight`"),
    (
        PACKAGE.replace('source = "s"', ""),
        A,
        "missing required field `source`",
    ),
    (
        PACKAGE.replace('"s"', '""'),
        A,
        "length >= 1 - at `$.source`",
    ),
    (PACKAGE.replace('"s"', "4"), A, "got `int` - at `$.source`"),
    (PACKAGE + 'absent = "no"', A, "got `str` - at `$.absent`"),
    (PACKAGE.replace("node", "rhel"), A, "'rhel' - at `$.layer`"),
    (PACKAGE + PACKAGE, "t.toml", "two package rows node-a"),
    (
        '[[invariant]]\nname = "no-weather"\nsource = "s"',
        "t.toml, [[invariant]] number 1 (no-weather)",
        "Invalid enum value 'no-weather'",
    ),
    (
        '[[os_release]]\nkey = "ID"\nlayer = "node"\nsource = "s"\nequals = "{versoin}"',
        "t.toml, [[os_release]] number 1 (ID)",
        "{versoin} is not a placeholder; use one of: {version}, {rhel}, {rhel_major}, {ocp}",
    ),
    (PACKAGE + 'since = { ocp = "4" }', A, "matching regex"),
    (PACKAGE + 'since = { date = "soon" }', A, "Expected `date"),
    (PACKAGE + "until = { day = 2026-08-05 }", A, "unknown field `day`"),
    (
        '[[os_release]]\nkey = "ID"\nlayer = "node"\nsource = "s"',
        "t.toml, [[os_release]] number 1 (ID)",
        "Expected one of `equals`, `matches`",
    ),
    (
        '[[os_release]]\nkey = "ID"\nlayer = "node"\nsource = "s"\nequals = "a"\nmatches = "b"',
        "t.toml, [[os_release]] number 1 (ID)",
        "Expected one of `equals`, `matches`",
    ),
    (
        '[[os_release]]\nkey = "ID"\nlayer = "node"\nsource = "s"\nmatches = "("',
        "t.toml, [[os_release]] number 1 (ID)",
        "is not a regular expression",
    ),
    ('[[match]]\na = "("', "t.toml", "is not a regular expression"),
    ("[[match]]\na = 3", "t.toml, [[match]] number 1", "Expected `str`, got `int`"),
]


@pytest.mark.parametrize(
    ("text", "subject", "problem"), BAD, ids=[f"{case[1]}: {case[2]}" for case in BAD]
)
def test_problem_is_reported_with_its_place_and_a_remedy(
    text: str, subject: str, problem: str
) -> None:
    with pytest.raises(InputError) as caught:
        parse(text, "t.toml")

    assert caught.value.subject == subject
    assert problem in caught.value.problem
    assert caught.value.remedy


def test_table_below_a_folder_is_read_whatever_its_name_ends_with(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text(PACKAGE)

    assert len(load(tmp_path / "mine").rows) == 1


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("[[pakage]]\n", "Use package."),
        ("[[thing]]\n", "package, os_release, unit, file, invariant"),
        (PACKAGE + "weight = 3", "name, layer, source, absent, since, until"),
        (PACKAGE.replace("node", "rhel"), "coreos, node"),
        ('[[invariant]]\nname = "x"\nsource = "s"', "boot-id-unchanged, kernel-unchanged"),
    ],
)
def test_unknown_name_is_answered_with_the_known_ones(text: str, known: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text, "t.toml")

    assert known in caught.value.remedy


@pytest.mark.parametrize("name", built_in())
def test_shipped_table_is_sound(name: str) -> None:
    table = load(name)

    assert table.name == name
    assert table.title != name
    assert table.rows or table.contract
    assert all(row.source for row in table.rows)


@pytest.mark.parametrize("name", ["ocp-4.19", "ocp-5.0", "okd-scos", "stand-in"])
def test_product_tables_have_every_kind_and_every_invariant(name: str) -> None:
    rows = load(name).rows

    assert {row.test_kind for row in rows} == {
        "package", "os_release", "unit", "file", "invariant",
    }  # fmt: skip
    # Without SELinux in the stand-in's kernel nothing can be denied there.
    unjudged = {Invariant.NO_NEW_AVC} if name == "stand-in" else set()
    assert {row.name for row in rows if isinstance(row, InvariantRow)} == set(Invariant) - unjudged
    keys = [(row.test_kind, row.id) for row in rows]
    assert len(keys) == len(set(keys))
    assert {("package", "node-openshift-kubelet"), ("os_release", "coreos-ID")} <= set(keys)


def test_paths_to_observe_are_those_of_the_file_rows() -> None:
    assert load("stand-in").paths_to_observe == ("/usr/bin/oc", "/usr/bin/kubelet")


def test_row_with_the_same_id_replaces_the_extended_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'extends = "stand-in"\n'
        '[[os_release]]\nkey = "ID"\nlayer = "coreos"\nequals = "me"\nsource = "s"'
    )

    table, shipped = load(path), load("stand-in")

    (row,) = [row for row in table.rows if row.id == "coreos-ID"]
    assert row == OsReleaseRow(key="ID", layer=Layer.COREOS, equals="me", source="s")
    assert table.name == "mine"
    assert len(table.rows) == len(shipped.rows)


def test_user_table_may_bear_the_name_of_the_shipped_one_it_extends(tmp_path: Path) -> None:
    path = tmp_path / "stand-in.toml"
    path.write_text('extends = "stand-in"')

    assert load(path).rows == load("stand-in").rows


DROP = '[[drop]]\nkind = "{}"\nid = "{}"\nsource = "s"\n'


def test_dropped_row_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('extends = "live-apply"\n' + DROP.format("invariant", "kernel-unchanged"))

    left = {row.id for row in load("live-apply").rows} - {row.id for row in load(path).rows}

    assert left == {"kernel-unchanged"}


@pytest.mark.parametrize(
    ("kind", "row_id", "known"),
    [("invariant", "kernel", "kernel-unchanged"), ("weather", "rain", "package, os_release")],
)
def test_drop_of_an_unknown_row_is_refused(
    tmp_path: Path, kind: str, row_id: str, known: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('extends = "live-apply"\n' + DROP.format(kind, row_id))

    with pytest.raises(
        InputError, match=f"{kind} row {row_id} is not in an extended table"
    ) as caught:
        load(path)

    assert known in caught.value.remedy


def test_table_without_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.toml"
    path.write_text('title = "nothing"')

    with pytest.raises(InputError, match="expectations empty: no rows"):
        load(path)


def test_circle_of_tables_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(f'extends = "{path}"')

    with pytest.raises(InputError, match="extends itself"):
        load(path)


def test_unknown_table_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="unknown table") as caught:
        load("ocp-3.11")

    assert "ocp-4.19" in caught.value.remedy


def test_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        load(tmp_path / "none.toml")


def test_missing_parent_is_reported_with_its_child(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('extends = "nothing"')

    with pytest.raises(InputError, match=r"nothing \(extended by a\)"):
        load(path)


@pytest.mark.parametrize(
    "line", ['ocp = "4.19x"', f'ocp = "4.{"9" * 5000}"', 'ocp = ""', 'extends = "stand-in\\u0000"']
)
def test_odd_version_and_name_are_errors_of_the_table(line: str, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(f'title = "a"\n{line}\n')

    with pytest.raises(InputError):
        load(path)
