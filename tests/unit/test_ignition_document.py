"""Documents are checked on reading, and merged by the rules of the Ignition specification."""

from __future__ import annotations

import copy
import json

import pytest

from harness.model.errors import InputError
from harness.model.ignition.document import SUPPORTED, Document, Json, merge, parse


def doc(version: str = "3.2.0", /, **sections: Json) -> Document:
    return {"ignition": {"version": version}, **sections}


def files(*entries: Json) -> Json:
    return {"files": list(entries)}


def units(*entries: Json) -> Json:
    return {"units": list(entries)}


# name, section, parent's value, child's value, merged value
MERGES: list[tuple[str, str, Json, Json, Json]] = [
    (
        "child's field wins and the parent's others stay",
        "storage",
        files({"path": "/a", "mode": 420, "overwrite": True}),
        files({"path": "/a", "mode": 384}),
        files({"path": "/a", "mode": 384, "overwrite": True}),
    ),
    (
        "null in the child leaves the parent's value",
        "storage",
        files({"path": "/a", "mode": 420}),
        files({"path": "/a", "mode": None}),
        files({"path": "/a", "mode": 420}),
    ),
    (
        "new entries follow the parent's",
        "storage",
        files({"path": "/b"}, {"path": "/c"}),
        files({"path": "/a"}, {"path": "/c", "mode": 1}),
        files({"path": "/b"}, {"path": "/c", "mode": 1}, {"path": "/a"}),
    ),
    (
        "link replaces a parent's file",
        "storage",
        {"files": [{"path": "/a"}, {"path": "/b"}]},
        {"links": [{"path": "/a", "target": "/x"}]},
        {"files": [{"path": "/b"}], "links": [{"path": "/a", "target": "/x"}]},
    ),
    (
        "file replaces a parent's directory",
        "storage",
        {"directories": [{"path": "/a", "mode": 493}]},
        files({"path": "/a"}),
        {"directories": [], "files": [{"path": "/a"}]},
    ),
    (
        "appended contents are joined, not deduplicated",
        "storage",
        files({"path": "/a", "append": [{"source": "data:,x"}]}),
        files({"path": "/a", "append": [{"source": "data:,x"}]}),
        files({"path": "/a", "append": [{"source": "data:,x"}, {"source": "data:,x"}]}),
    ),
    (
        "a header without value removes the parent's",
        "storage",
        files({"path": "/a", "contents": {"httpHeaders": [{"name": "A", "value": "1"}]}}),
        files({"path": "/a", "contents": {"httpHeaders": [{"name": "A"}]}}),
        files({"path": "/a", "contents": {"httpHeaders": []}}),
    ),
    (
        "a header with a value replaces the parent's",
        "storage",
        files({"path": "/a", "contents": {"httpHeaders": [{"name": "A", "value": "1"}]}}),
        files({"path": "/a", "contents": {"httpHeaders": [{"name": "A", "value": "2"}]}}),
        files({"path": "/a", "contents": {"httpHeaders": [{"name": "A", "value": "2"}]}}),
    ),
    (
        "unit takes the child's contents and keeps being enabled",
        "systemd",
        units({"name": "a.service", "enabled": True, "contents": "old"}),
        units({"name": "a.service", "contents": "new"}),
        units({"name": "a.service", "enabled": True, "contents": "new"}),
    ),
    (
        "drop-ins of one unit are merged by name",
        "systemd",
        units({"name": "a", "dropins": [{"name": "1.conf", "contents": "x"}, {"name": "2.conf"}]}),
        units({"name": "a", "dropins": [{"name": "1.conf", "contents": "y"}, {"name": "3.conf"}]}),
        units(
            {
                "name": "a",
                "dropins": [
                    {"name": "1.conf", "contents": "y"},
                    {"name": "2.conf"},
                    {"name": "3.conf"},
                ],
            }
        ),
    ),
    (
        "users by name, their keys and groups once",
        "passwd",
        {"users": [{"name": "core", "sshAuthorizedKeys": ["a", "b"], "groups": ["wheel"]}]},
        {"users": [{"name": "core", "sshAuthorizedKeys": ["b", "c"], "groups": ["wheel"]}]},
        {"users": [{"name": "core", "sshAuthorizedKeys": ["a", "b", "c"], "groups": ["wheel"]}]},
    ),
    (
        "groups by name",
        "passwd",
        {"groups": [{"name": "g", "gid": 1}]},
        {"groups": [{"name": "g", "gid": 2}, {"name": "h"}]},
        {"groups": [{"name": "g", "gid": 2}, {"name": "h"}]},
    ),
    (
        "disks by device, partitions by number or label",
        "storage",
        {
            "disks": [
                {
                    "device": "/dev/vda",
                    "partitions": [{"number": 4, "sizeMiB": 1}, {"label": "var"}],
                }
            ]
        },
        {
            "disks": [
                {
                    "device": "/dev/vda",
                    "wipeTable": False,
                    "partitions": [{"number": 4, "sizeMiB": 2}, {"label": "var", "startMiB": 9}],
                }
            ]
        },
        {
            "disks": [
                {
                    "device": "/dev/vda",
                    "wipeTable": False,
                    "partitions": [{"number": 4, "sizeMiB": 2}, {"label": "var", "startMiB": 9}],
                }
            ]
        },
    ),
    (
        "filesystems by device, their options joined",
        "storage",
        {"filesystems": [{"device": "/dev/vdb", "path": "/var", "options": ["-K"]}]},
        {"filesystems": [{"device": "/dev/vdb", "path": "/srv", "options": ["-K"]}]},
        {"filesystems": [{"device": "/dev/vdb", "path": "/srv", "options": ["-K", "-K"]}]},
    ),
    (
        "raid by name, devices once",
        "storage",
        {"raid": [{"name": "md", "devices": ["/dev/a", "/dev/b"]}]},
        {"raid": [{"name": "md", "devices": ["/dev/b", "/dev/c"], "level": "raid1"}]},
        {"raid": [{"name": "md", "devices": ["/dev/a", "/dev/b", "/dev/c"], "level": "raid1"}]},
    ),
    (
        "luks by name, tang by url",
        "storage",
        {"luks": [{"name": "r", "clevis": {"tang": [{"url": "u", "thumbprint": "1"}]}}]},
        {"luks": [{"name": "r", "clevis": {"tang": [{"url": "u", "thumbprint": "2"}]}}]},
        {"luks": [{"name": "r", "clevis": {"tang": [{"url": "u", "thumbprint": "2"}]}}]},
    ),
    (
        "kernel arguments once",
        "kernelArguments",
        {"shouldExist": ["a", "b"]},
        {"shouldExist": ["b", "c"]},
        {"shouldExist": ["a", "b", "c"]},
    ),
    (
        "an argument that the child forbids is no longer wanted",
        "kernelArguments",
        {"shouldExist": ["a", "b"]},
        {"shouldNotExist": ["a"]},
        {"shouldExist": ["b"], "shouldNotExist": ["a"]},
    ),
    (
        "a section that only one has is taken whole",
        "storage",
        None,
        files({"path": "/a"}),
        files({"path": "/a"}),
    ),
]


@pytest.mark.parametrize(
    ("section", "parent", "child", "merged"),
    [case[1:] for case in MERGES],
    ids=[case[0] for case in MERGES],
)
def test_merge(section: str, parent: Json, child: Json, merged: Json) -> None:
    assert merge(doc(**{section: parent}), doc(**{section: child}))[section] == merged


def test_merge_changes_neither_input() -> None:
    parent = doc(storage=files({"path": "/a", "append": [{"source": "data:,x"}]}))
    child = doc(storage={"links": [{"path": "/a", "target": "/b"}]})
    before = copy.deepcopy((parent, child))

    merge(parent, child)

    assert (parent, child) == before


@pytest.mark.parametrize(
    ("parent", "child"), [("3.1.0", "3.4.0"), ("3.4.0", "3.1.0")], ids=["up", "down"]
)
def test_merge_takes_the_higher_version(parent: str, child: str) -> None:
    assert merge(doc(parent), doc(child)) == doc("3.4.0")


def test_configs_to_fetch_are_appended() -> None:
    parent: Document = {"ignition": {"version": "3.2.0", "config": {"merge": [{"source": "a"}]}}}
    child: Document = {"ignition": {"version": "3.2.0", "config": {"merge": [{"source": "b"}]}}}

    ignition = merge(parent, child)["ignition"]

    assert ignition == {
        "version": "3.2.0",
        "config": {"merge": [{"source": "a"}, {"source": "b"}]},
    }


@pytest.mark.parametrize("version", SUPPORTED)
def test_parse_gives_the_document_of_a_supported_version(version: str) -> None:
    document = doc(version, systemd=units({"name": "a.service", "enabled": True}))

    assert parse(json.dumps(document), "a.ign") == document


BAD: list[tuple[str, str]] = [
    ('{"ignition":\n {"version" "3.2.0"}}', "not JSON: line 2 column 13"),
    ("", "not JSON: line 1 column 1"),
    ("[" * 5000, "not usable JSON: nested too deeply"),
    ('{"x": %s}' % ("9" * 5000), "not usable JSON: Exceeds the limit"),
    ('{"x": "\\ud800"}', "surrogates not allowed"),
    ("[]", "not a JSON object"),
    ("{}", "unsupported ignition.version (none)"),
    ('{"ignition": []}', "unsupported ignition.version (none)"),
    ('{"ignition": {"version": 3}}', "unsupported ignition.version (none)"),
    ('{"ignition": {"version": "2.2.0"}}', "spec 2 is not supported"),
    (
        '{"ignition": {"version": "3.7.0-experimental"}}',
        "unsupported ignition.version 3.7.0-experimental",
    ),
    ('{"kind": "MachineConfig", "spec": {}}', "a MachineConfig, not an Ignition config"),
    ('{"ignition": {"version": "4.0.0"}}', "unsupported ignition.version 4.0.0"),
    (json.dumps(doc(storage=[])), "storage is not an object"),
    (json.dumps(doc(storage={"files": {}})), "storage.files is not a list"),
    (json.dumps(doc(storage=files({"mode": 1}))), "storage.files[0] has no string path"),
    (json.dumps(doc(storage=files({"path": "/a"}, "x"))), "storage.files[1] has no string path"),
    (
        json.dumps(doc(systemd=units({"name": "a", "dropins": [{"contents": ""}]}))),
        "systemd.units[0].dropins[0] has no string name",
    ),
    (
        json.dumps(doc(passwd={"users": [{"name": "a", "sshAuthorizedKeys": [1]}]})),
        "passwd.users[0].sshAuthorizedKeys[0] is not a string",
    ),
    (
        json.dumps(doc(storage={"luks": [{"name": "a", "clevis": 1}]})),
        "storage.luks[0].clevis is not an object",
    ),
]


@pytest.mark.parametrize(("text", "problem"), BAD, ids=[problem for _, problem in BAD])
def test_parse_names_the_input_the_fault_and_a_way_out(text: str, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text, "extra.ign")

    assert caught.value.subject == "extra.ign"
    assert problem in caught.value.problem
    assert caught.value.remedy


def test_parse_accepts_flags_named_like_lists() -> None:
    text = json.dumps(doc(passwd={"users": [{"name": "a", "shouldExist": False}]}))

    assert parse(text, "a.ign")["passwd"] == {"users": [{"name": "a", "shouldExist": False}]}
