"""Typed pieces give the documents that Ignition expects."""

from __future__ import annotations

import base64
import json

import pytest

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
