"""`node-image equivalent` on pairs of small stand-ins that differ in one thing, or in nothing."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from standin_images import images, rpmdb
from standin_images.layers import CAPABILITY, Entry, file, folder, hard_link, symlink, whiteout
from standin_images.recipe import Recipe, nevra

from harness.cli import main

USUAL = Recipe.usual()
Entries = Mapping[str, Entry]


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def layered(tmp_path_factory: pytest.TempPathFactory) -> str:
    return images.write_node(tmp_path_factory.mktemp("layered") / "image", USUAL)


def equivalent(legacy: str, layered: str, *options: str) -> Result:
    return CliRunner().invoke(main, ["equivalent", legacy, layered, *options])


def test_twin_is_equivalent_and_every_shipped_rule_that_it_needs_is_named(
    layered: str, tmp_path: Path
) -> None:
    legacy = images.write_twin(tmp_path / "twin", USUAL)

    result = equivalent(legacy, layered, "--output=json")

    found = json.loads(result.stdout)
    assert (result.exit_code, found["differences"], found["packages"]) == (0, [], [])
    explained = {one["rule"]: one["paths"] for one in found["explained"]}
    assert explained["/usr/lib/os-release"] == ["/usr/lib/os-release"]
    assert explained["/usr/share/rpm/rpmdb.sqlite*"] == ["/usr/share/rpm/rpmdb.sqlite"]
    assert explained["/etc/*-"] == ["/etc/group-", "/etc/passwd-"]
    assert "/etc/selinux/targeted/policy/policy.*" in found["unused_rules"]
    assert "/etc/motd" not in found["unused_rules"]


def test_an_image_equals_itself_without_any_rule(layered: str, tmp_path: Path) -> None:
    none = tmp_path / "rules.toml"
    none.write_text("")

    result = equivalent(layered, layered, f"--rules={none}")

    assert result.exit_code == 0
    assert result.stdout.startswith("equivalent (")


Change = Callable[[dict[str, Entry]], Mapping[str, Entry | None]]
ONE_OFF: dict[str, tuple[Change, str, str]] = {
    "a byte": (
        lambda has: {"usr/bin/bash": replace(has["usr/bin/bash"], content=b"bash!")},
        "/usr/bin/bash", "sha256",
    ),
    "a mode": (
        lambda has: {"usr/bin/bash": replace(has["usr/bin/bash"], mode=0o555)},
        "/usr/bin/bash", "mode",
    ),
    "setuid": (
        lambda has: {"usr/bin/sudo": replace(has["usr/bin/sudo"], mode=0o111)},
        "/usr/bin/sudo", "mode",
    ),
    "an owner": (
        lambda has: {"usr/bin/sudo": replace(has["usr/bin/sudo"], uid=7)}, "/usr/bin/sudo", "owner",
    ),
    "a group": (
        lambda has: {"usr/bin/sudo": replace(has["usr/bin/sudo"], gid=0)}, "/usr/bin/sudo", "owner",
    ),
    "a capability": (
        lambda has: {"usr/bin/newuidmap": replace(has["usr/bin/newuidmap"], xattrs={})},
        "/usr/bin/newuidmap", f"xattr {CAPABILITY}",
    ),
    "a link": (lambda _: {"bin": symlink("bin", "usr/sbin")}, "/bin", "target"),
    "a type": (lambda _: {"bin": folder("bin")}, "/bin", "type"),
    "a folder's mode": (
        lambda has: {"usr/share": replace(has["usr/share"], mode=0o700)}, "/usr/share", "mode",
    ),
    "a device": (
        lambda _: {"usr/null": Entry(path="usr/null", kind=tarfile.CHRTYPE)}, "/usr/null", "",
    ),
    "an empty file more": (lambda _: {"usr/bin/more": file("usr/bin/more")}, "/usr/bin/more", ""),
    "a file less": (lambda _: {"usr/bin/kubelet": None}, "/usr/bin/kubelet", ""),
    "another line of os-release": (
        lambda _: {"usr/lib/os-release": file("usr/lib/os-release", USUAL.os_release("ID=x"))},
        "/usr/lib/os-release", "sha256",
    ),
    "the mode of os-release": (
        lambda has: {"usr/lib/os-release": replace(has["usr/lib/os-release"], mode=0o600)},
        "/usr/lib/os-release", "mode",
    ),
    "the owner of the database": (
        lambda has: {rpmdb.PLACE: replace(has[rpmdb.PLACE], uid=7)}, f"/{rpmdb.PLACE}", "owner",
    ),
    "a name with a line end": (
        lambda _: {"usr/a\nb": file("usr/a\nb", "x")}, "/usr/a\nb", "",
    ),
    "a name that is not UTF-8": (
        lambda _: {"usr/\udcff": file("usr/\udcff", "x")}, "/usr/\\udcff", "",
    ),
    "a name that looks like one of a shell pattern": (
        lambda _: {"etc/[passwd]": file("etc/[passwd]", "x")}, "/etc/[passwd]", "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", ONE_OFF)
def test_one_thing_off_is_the_only_difference(what: str, layered: str, tmp_path: Path) -> None:
    change, path, field = ONE_OFF[what]
    entries = images.legacy_entries(USUAL)
    for name, entry in change(entries).items():
        entries.pop(name, None)
        entries |= {name: entry} if entry else {}
    legacy = images.write_twin(tmp_path / "twin", USUAL, entries)

    result = equivalent(legacy, layered, "--output=json")

    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [one["path"] for one in found["differences"]] == [path]
    assert field in found["differences"][0]["fields"] or not field
    assert path.split("\n")[0] in equivalent(legacy, layered).stdout


def test_a_name_that_leads_upwards_is_not_taken_for_equal(layered: str, tmp_path: Path) -> None:
    entries = images.legacy_entries(USUAL)
    entries |= {"usr/bin/../bin/zz": replace(entries["usr/bin/bash"], path="usr/bin/../bin/bash")}
    legacy = images.write_twin(tmp_path / "twin", USUAL, entries)

    result = equivalent(legacy, layered)

    assert result.exit_code == 1
    assert "odd in one image" in result.stdout
    assert "usr/bin/../bin/bash" in result.stdout


def test_a_whiteout_that_was_missed_is_a_difference(tmp_path: Path) -> None:
    layers = images.node_layers(USUAL)
    layers[0] = [*layers[0], file("usr/bin/secret", "x")]
    missed = images.write_node(tmp_path / "missed", USUAL, layers)
    removed = images.write_node(
        tmp_path / "removed", USUAL, [*layers[:-1], [whiteout("usr/bin/secret")], layers[-1]]
    )
    legacy = images.write_twin(tmp_path / "twin", USUAL)

    result = equivalent(legacy, missed, "--output=json")

    assert result.exit_code == 1
    assert [one["path"] for one in json.loads(result.stdout)["differences"]] == ["/usr/bin/secret"]
    assert equivalent(legacy, removed).exit_code == 0


def test_a_hard_link_equals_a_file_of_the_same_content(tmp_path: Path) -> None:
    bash = file("usr/bin/bash", "bash\n", 0o755)
    copy, link = replace(bash, path="usr/bin/sh"), hard_link("usr/bin/sh", bash)
    both = [
        images.write_node(tmp_path / name, USUAL, [*images.node_layers(USUAL)[:-1], [bash, second]])
        for name, second in (("copied", copy), ("linked", link))
    ]

    assert equivalent(both[0], both[1]).exit_code == 0


def test_another_package_is_a_difference_though_the_database_may_differ(
    layered: str, tmp_path: Path
) -> None:
    newer = replace(USUAL, node_packages=USUAL.node_packages | {nevra("extra")})
    legacy = images.write_twin(tmp_path / "twin", newer)

    result = equivalent(legacy, layered)

    assert result.exit_code == 1
    assert "NOT EQUIVALENT: 1 differences" in result.stdout
    assert f"extra.{nevra('x').arch}" in result.stdout


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ('path = "/x"\nreason = "r"\nsource = "s"\n', "Expected one of `may` and `lines`"),
        ('path = "/x"\nmay = ["all"]\nreason = "r"\nsource = "s"\n', "Use one of: added, removed"),
        ('path = "/x"\nmay = ["mode"]\nreason = "r"\n', "source"),
        ('path = "/x"\nlines = "("\nreason = "r"\nsource = "s"\n', "Not a regular expression"),
    ],
)
def test_a_malformed_rule_is_refused_before_an_image_is_read(
    rule: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(f"[[rule]]\n{rule}")

    result = equivalent("oci:/nowhere", "oci:/nowhere", f"--rules={path}")

    assert result.exit_code == 2
    assert message in result.stderr
