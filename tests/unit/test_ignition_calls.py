from __future__ import annotations

import base64
import gzip
from urllib.parse import quote

import pytest

from harness.lint.ignition_calls import Reading, read
from harness.lint.wants import Kind
from harness.model.errors import InputError
from harness.model.ignition import Config, Document, Dropin, File, Json, Link, Unit, render

SCRIPT = "/usr/local/bin/user.sh"


def config(*, files: tuple[File, ...] = (), units: tuple[Unit, ...] = ()) -> Document:
    return Config(files=files, units=units).to_document()


def script(text: str, path: str = SCRIPT, mode: int = 0o755) -> File:
    return File(path=path, contents=text, mode=mode)


def service(*lines: str, name: str = "a.service") -> Unit:
    return Unit(name=name, contents="\n".join(("[Service]", *lines)))


def reported(document: Document) -> list[tuple[str, int, str]]:
    calls = read(document, "x.ign").calls
    return [(call.caller, call.line, call.command) for call in calls if call.kind is Kind.PROGRAM]


def with_contents(contents: Json, mode: int | None = 0o755, **more: Json) -> Reading:
    file: dict[str, Json] = {"path": SCRIPT, "contents": contents, **more}
    if mode is not None:
        file["mode"] = mode
    return read({"ignition": {"version": "3.2.0"}, "storage": {"files": [file]}}, "x.ign")


def test_units_dropins_and_scripts_are_read_each_program_once_a_caller() -> None:
    document = config(
        units=(
            Unit(
                name="a.service",
                contents="[Service]\nExecStartPre=/usr/bin/oc a\nExecStart=/usr/bin/oc b\n",
                dropins=(Dropin(name="1.conf", contents="[Service]\nExecStartPost=crictl\n"),),
            ),
        ),
        files=(script("#!/bin/bash\nkubelet a\nkubelet b\n"),),
    )

    assert reported(document) == [
        ("a.service", 2, "/usr/bin/oc"),
        ("a.service.d/1.conf", 2, "crictl"),
        (SCRIPT, 1, "/bin/bash"),
        (SCRIPT, 2, "kubelet"),
    ]
    assert {call.origin for call in read(document, "x.ign").calls} == {"x.ign"}


def test_masked_units_and_plain_files_call_nothing() -> None:
    document = config(
        units=(Unit(name="a.service", contents="[Service]\nExecStart=oc\n", mask=True),),
        files=(script("oc get\n", path="/etc/oc.conf", mode=0o644),),
    )

    assert reported(document) == []


def test_units_that_come_as_plain_files_are_units() -> None:
    document = config(
        files=(
            script("[Service]\nExecStart=oc\n", "/etc/systemd/system/a.service", 0o644),
            script("[Service]\nExecStart=\nExecStart=crictl\n",
                   "/etc/systemd/system/a.service.d/9.conf", 0o644),
        ),
    )  # fmt: skip

    assert reported(document) == [("/etc/systemd/system/a.service.d/9.conf", 3, "crictl")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#!/usr/bin/env python3\nimport oc\n", ["/usr/bin/env", "python3"]),
        ("#!/usr/bin/env -S python3 -u\n", ["/usr/bin/env", "python3"]),
        ("#! /usr/libexec/platform-python\noc\n", ["/usr/libexec/platform-python"]),
        ("#!/usr/bin/perl -w\noc\n", ["/usr/bin/perl"]),
        ("#!/usr/bin/env bash\noc\n", ["/usr/bin/env", "bash", "oc"]),
        ("#!/bin/sh -e\noc\n", ["/bin/sh", "oc"]),
        ("oc\n", ["oc"]),
        ("\x7fELF\0oc\n", []),
    ],
)
def test_the_interpreter_is_called_and_only_shells_are_read_on(
    text: str, expected: list[str]
) -> None:
    assert [command for _, _, command in reported(config(files=(script(text),)))] == expected


def test_a_shebang_or_a_name_makes_a_script_without_the_mode() -> None:
    document = config(
        files=(
            script("#!/bin/sh\noc\n", "/etc/a", 0o644),
            script("crictl\n", "/etc/lib.sh", 0o644),
        )
    )

    assert {command for _, _, command in reported(document)} == {"/bin/sh", "oc", "crictl"}


TEXT = "#!/bin/sh\noc get % nodes\n"
PACKED = base64.b64encode(gzip.compress(TEXT.encode())).decode()


@pytest.mark.parametrize(
    ("contents", "appended"),
    [
        ({"source": "data:," + quote(TEXT)}, []),
        ({"source": "data:text/plain;charset=utf-8," + quote(TEXT)}, []),
        ({"source": "data:;base64," + base64.b64encode(TEXT.encode()).decode()}, []),
        ({"source": "data:;base64," + PACKED, "compression": "gzip"}, []),
        ({"source": "data:," + quote("#!/bin/sh\n")}, [{"source": "data:,oc%20get%0A"}]),
        (None, [{"source": "data:," + quote(TEXT)}]),
    ],
)
def test_contents_come_in_every_form_of_a_data_url(contents: Json, appended: list[Json]) -> None:
    reading = with_contents(contents, append=appended)

    assert [(call.command, call.line) for call in reading.calls] == [("/bin/sh", 1), ("oc", 2)]
    assert not reading.unread


@pytest.mark.parametrize(
    "contents",
    [
        {"source": "data:"},
        {"source": "data:;base64,!!!"},
        {"source": "data:,x", "compression": "xz"},
        {"source": "data:,x", "compression": "gzip"},
    ],
)
def test_contents_that_are_damaged_are_refused_with_their_path(contents: Json) -> None:
    with pytest.raises(InputError, match=f"x.ign: unreadable contents of {SCRIPT}"):
        with_contents(contents)


def test_a_script_that_unpacks_to_anything_is_not_read() -> None:
    bomb = base64.b64encode(gzip.compress(bytes(5 << 20), compresslevel=1)).decode()

    reading = with_contents({"source": f"data:;base64,{bomb}", "compression": "gzip"})

    assert reading.unread == (f"{SCRIPT}, for its size",)


def test_programs_from_elsewhere_are_named_as_not_read() -> None:
    url: Json = {"source": "https://user:word@files.example/x?token=1"}

    assert with_contents(url).unread == (f"{SCRIPT} from https://files.example/x",)
    assert with_contents(url, mode=None).unread == ()
    assert SCRIPT in with_contents(url).delivered


def test_configs_within_the_config_are_read_and_others_named() -> None:
    inner = render(config(units=(service("ExecStart=oc"),)))
    document: Document = {
        "ignition": {
            "version": "3.2.0",
            "config": {
                "merge": [
                    {"source": "data:," + quote(inner)},
                    {"source": "https://api-int.example:22623/config/master"},
                ],
            },
        },
    }

    reading = read(document, "x.ign")

    assert [call.command for call in reading.calls] == ["oc"]
    assert reading.unread == ("the config at https://api-int.example:22623/config/master",)


def test_a_config_nested_too_deep_is_not_read() -> None:
    text = render(config(units=(service("ExecStart=oc"),)))
    for _ in range(8):
        nested: Document = {
            "ignition": {
                "version": "3.2.0",
                "config": {"replace": {"source": "data:," + quote(text)}},
            },
        }
        text = render(nested)

    reading = read(nested, "x.ign")

    assert not reading.calls
    assert len(reading.unread) == 1


def test_lines_with_a_syntax_error_are_reported() -> None:
    document = config(
        units=(service("ExecStart=/bin/sh -c 'x"),),
        files=(script("#!/bin/sh\nif {{ x\n"),),
    )

    unread = read(document, "x.ign").unread

    assert unread[0] == "a.service line 2 (syntax error)"
    assert unread[1].startswith(f"{SCRIPT} line ")


@pytest.mark.parametrize(
    ("command", "is_delivered"),
    [
        ("user.sh", True), (SCRIPT, True), ("/usr/local/bin/link", True), ("link", True),
        ("oc", False), ("/opt/tool/run", True), ("/bin/user.sh", False),
    ],
)  # fmt: skip
def test_what_the_config_delivers_is_there(command: str, *, is_delivered: bool) -> None:
    document = Config(
        files=(script("#!/bin/sh\n"), script("x", "/opt/tool/run")),
        links=(Link(path="/usr/local/bin/link", target="user.sh"),),
    ).to_document()

    assert read(document, "x.ign").delivers(command) is is_delivered


def test_functions_of_sourced_scripts_are_not_calls() -> None:
    library = script("image_for() { podman run x; }\n", "/usr/local/bin/release-image.sh", 0o644)
    reading_in = script("#!/bin/bash\n. /usr/local/bin/release-image.sh\nimage_for pod\n")
    alone = script("#!/bin/bash\nimage_for pod\n", "/usr/local/bin/alone.sh")

    found = reported(config(files=(library, reading_in, alone)))

    assert (SCRIPT, 3, "image_for") not in found
    assert ("/usr/local/bin/alone.sh", 2, "image_for") in found


def test_a_script_that_is_sourced_has_the_functions_of_the_one_that_sources_it() -> None:
    library = script('record() { :; }\nqueue() { shift; "$@"; }\n', "/usr/local/bin/lib.sh")
    main = script(
        '#!/bin/bash\n. "${0%/*}/lib.sh"\n. /usr/local/bin/part.sh\n', "/usr/local/bin/main.sh"
    )
    part = script("#!/bin/bash\nrecord x\nqueue y oc get\n", "/usr/local/bin/part.sh")

    found = reported(config(files=(library, main, part)))

    assert [command for caller, _, command in found if caller == part.path] == ["/bin/bash", "oc"]


QUADLET = "[Container]\nImage=x\nExec=kubelet\n[Service]\nExecStartPre=oc version\n"


@pytest.mark.parametrize(
    "path",
    [
        "/etc/containers/systemd/x.container",
        "/etc/containers/systemd/x.container.d/1.conf",
        "/etc/containers/systemd/folder/x.pod",
        "/usr/share/containers/systemd/x.kube",
    ],
)
def test_quadlets_are_units(path: str) -> None:
    assert reported(config(files=(script(QUADLET, path, 0o600),))) == [(path, 5, "oc")]


def test_a_quadlet_defines_the_unit_that_is_made_of_it() -> None:
    files = tuple(
        script("[Container]\n", f"/etc/containers/systemd/{name}", 0o600)
        for name in ("a.container", "b.pod", "c.volume")
    )

    units = read(config(files=files), "x.ign").units

    assert {"a.service", "b-pod.service", "c-volume.service"} <= units


def test_a_quadlet_from_elsewhere_is_named_as_not_read() -> None:
    path, url = "/etc/containers/systemd/x.container", "https://files.example/x"
    file: Json = {"path": path, "contents": {"source": url}}
    document: Document = {"ignition": {"version": "3.2.0"}, "storage": {"files": [file]}}

    assert read(document, "x.ign").unread == (f"{path} from {url}",)


def test_a_script_need_not_ask_again_for_what_every_unit_that_runs_it_asks_for() -> None:
    asking = service("ConditionPathExists=/usr/bin/oc", f"ExecStart={SCRIPT}")
    not_asking = service(f"ExecStart=-{SCRIPT} again", name="b.service")
    files = (script("#!/bin/sh\noc\n"),)

    alone = reported(config(units=(asking,), files=files))
    both = reported(config(units=(asking, not_asking), files=files))

    assert (SCRIPT, 2, "oc") not in alone
    assert (SCRIPT, 2, "oc") in both


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"systemd": None, "storage": {"files": [{"path": "/x", "mode": "0755"}]}},
        {"systemd": {"units": [{"name": "a.service", "dropins": None, "contents": None}]}},
        {"storage": {"files": [{"path": "/x", "mode": 493, "contents": {"source": None}}]}},
        {"ignition": {"config": {"merge": [{}], "replace": {}}}},
    ],
)
def test_sparse_configs_call_nothing(document: Document) -> None:
    assert read(document, "x.ign").calls == ()
