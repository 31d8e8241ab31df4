"""Typed pieces give the documents that Ignition expects."""

from __future__ import annotations

import base64
import json

import pytest

from harness.model.errors import InputError
from harness.model.ignition import (
    Config,
    Contents,
    Directory,
    Document,
    Dropin,
    File,
    Json,
    Link,
    Unit,
    User,
    parse,
    render,
)
from harness.model.secret import Secret


def test_empty_config_is_only_a_version() -> None:
    assert Config().to_document() == {"ignition": {"version": "3.2.0"}}


@pytest.mark.parametrize(
    ("contents", "raw"),
    [("text\n", b"text\n"), (b"\x00\xff", b"\x00\xff"), (Secret("key"), b"key"), ("", b"")],
    ids=["text", "bytes", "secret", "empty"],
)
def test_file_contents_become_a_base64_data_url(contents: Contents, raw: bytes) -> None:
    entry = File(path="/etc/x", contents=contents).to_json()

    url = json.loads(json.dumps(entry))["contents"]["source"]
    prefix, _, payload = url.partition(",")
    assert prefix == "data:;base64"
    assert base64.b64decode(payload) == raw


@pytest.mark.parametrize("mode", [0, 0o400, 0o420, 0o644, 0o755, 0o777])
def test_mode_that_can_be_meant_is_accepted(mode: int) -> None:
    assert File(path="/a", contents="", mode=mode).to_json()["mode"] == mode
    assert Directory(path="/a/", mode=mode).to_json()["mode"] == mode


@pytest.mark.parametrize(
    ("mode", "octal"),
    [(644, "0o1204"), (755, "0o1363"), (400, "0o620"), (500, "0o764"), (0o1777, "0o1777")],
)
def test_mode_that_lacks_its_prefix_is_refused(mode: int, octal: str) -> None:
    with pytest.raises(InputError, match=rf"file /a: the mode {mode} is {octal}, .* in octal"):
        File(path="/a", contents="", mode=mode)
    with pytest.raises(InputError, match="directory /a: the mode"):
        Directory(path="/a", mode=mode)


def test_negative_mode_is_refused() -> None:
    with pytest.raises(InputError, match="the mode -1"):
        Directory(path="/a", mode=-1)


@pytest.mark.parametrize("path", ["", "etc/x", "/etc//x", "//etc", "/etc/../x", "/./x"])
def test_path_that_is_not_absolute_and_normal_is_refused(path: str) -> None:
    with pytest.raises(InputError, match=r"is not absolute and normal\. Begin it with /"):
        File(path=path, contents="")
    with pytest.raises(InputError, match="directory"):
        Directory(path=path)
    with pytest.raises(InputError, match="link"):
        Link(path=path, target="x")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (
            File(path="/a", contents="", mode=0o600, overwrite=True, user="core", group="wheel"),
            {
                "path": "/a",
                "mode": 384,
                "overwrite": True,
                "user": {"name": "core"},
                "group": {"name": "wheel"},
                "contents": {"source": "data:;base64,"},
            },
        ),
        (Directory(path="/d"), {"path": "/d", "mode": 493}),
        (Link(path="/l", target="../t"), {"path": "/l", "target": "../t", "hard": False}),
        (
            Unit(name="a.service", enabled=False, dropins=(Dropin(name="x.conf", contents="[a]"),)),
            {
                "name": "a.service",
                "enabled": False,
                "dropins": [{"name": "x.conf", "contents": "[a]"}],
            },
        ),
        (Unit(name="b.service", contents="[Unit]"), {"name": "b.service", "contents": "[Unit]"}),
        (
            User(name="core", ssh_authorized_keys=("k",), password_hash=Secret("$6$")),
            {"name": "core", "sshAuthorizedKeys": ["k"], "passwordHash": "$6$"},
        ),
    ],
    ids=["file", "directory", "link", "dropin", "unit", "user"],
)
def test_piece_becomes_its_entry(
    entry: File | Directory | Link | Unit | User, expected: dict[str, Json]
) -> None:
    assert entry.to_json() == expected


def test_secret_contents_stay_out_of_the_repr() -> None:
    assert "hidden" not in repr(File(path="/k", contents=Secret("hidden")))


def test_config_puts_each_kind_into_its_section_in_the_given_order() -> None:
    config = Config(
        files=(File(path="/b", contents="1"), File(path="/a", contents="2")),
        directories=(Directory(path="/d"),),
        links=(Link(path="/l", target="/b"),),
        units=(Unit(name="u.service"),),
        users=(User(name="core"),),
    )

    document = json.loads(render(config.to_document()))

    assert [entry["path"] for entry in document["storage"]["files"]] == ["/b", "/a"]
    assert document["storage"]["directories"][0]["path"] == "/d"
    assert document["storage"]["links"][0]["path"] == "/l"
    assert document["systemd"]["units"] == [{"name": "u.service"}]
    assert document["passwd"]["users"] == [{"name": "core"}]


def test_equal_documents_render_alike_whatever_their_key_order() -> None:
    one: Document = {"ignition": {"version": "3.2.0"}, "systemd": {"units": []}}
    other: Document = {"systemd": {"units": []}, "ignition": {"version": "3.2.0"}}

    assert render(one) == render(other)
    assert render(one).endswith("}\n")


def test_rendered_config_is_read_back_unchanged() -> None:
    document = Config(files=(File(path="/ä", contents="é"),)).to_document()

    assert parse(render(document), "own") == document
