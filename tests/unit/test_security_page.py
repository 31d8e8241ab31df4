"""docs/security.md agrees with the code: who listens where, the modes of files, the bounds.

The source is searched for everything that can listen, so that a new server without a row is red.
"""

from __future__ import annotations

import ast
import importlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from docs_commands import ROOT
from machine_fakes import soon
from source_trees import dotted, nodes, trees

from harness import folders, temporary
from harness.cluster.control_plane import _layout, write_files
from harness.cluster.manifests import apiserver_arguments, etcd_arguments, guest_layout
from harness.cluster.web import _Server
from harness.images.container.registry import configuration
from harness.machine.domain.architecture import architecture
from harness.machine.domain.network import Forward, Network
from harness.machine.guest_memory import copy_sparse
from harness.machine.ownership.ports import PORTS, reserve_port
from harness.machine.ownership.run import begin_run
from harness.model.guest_network import LOOPBACK
from harness.pki.control_plane import make_pki
from harness.recording.artifacts import Artifacts, choose

PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")

LISTENING_CALLS = {
    "bind", "listen", "create_server", "create_unix_server", "start_server", "start_unix_server",
    "socketpair",
}  # fmt: skip
SERVER_MODULES = {"asyncio", "http.server", "socketserver", "wsgiref", "xmlrpc"}
LISTENING_WORDS = re.compile(
    r"hostfwd=|--listen|--(bind-)?address=|--socket=|bindaddress|type=unix|server=on|\.sock\b"
    r"|^addr$|^0\.0\.0\.0$|^-?(vnc|spice|gdb|qmp|monitor)$|^graphics$",
    re.IGNORECASE,
)
"""What command lines, configurations and domains have where a program is to listen."""
FOLDER_MAKERS = {"TemporaryDirectory", "mkdtemp"}
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def running() -> dict[str, ast.Module]:
    """Return the modules by their path; not the stand-ins' tools, which run at their build."""
    return {name: tree for name, tree in trees().items() if "standin/" not in name}


def table(*titles: str) -> list[tuple[str, ...]]:
    """Return the rows of the page's table with these titles, without the marks of code."""
    lines = PAGE.splitlines()
    begin = lines.index(f"| {' | '.join(titles)} |") + 2
    rows = []
    for line in lines[begin:]:
        if not line.startswith("|"):
            break
        cells = (cell.strip() for cell in line.strip("|").split("|"))
        rows.append(tuple(cell.strip("`") for cell in cells))
    return rows


def listens(tree: ast.Module) -> bool:
    texts = {id(text) for text in docstrings(tree)}
    return any(map(is_listening, (node for node in nodes(tree, ast.AST) if id(node) not in texts)))


def docstrings(tree: ast.AST) -> Iterator[ast.AST]:
    values = (node.value for node in nodes(tree, ast.Expr))
    return (value for value in values if isinstance(value, ast.Constant))


def is_listening(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
            return name in LISTENING_CALLS
        case ast.Import(names=names):
            return any(name.name in SERVER_MODULES for name in names)
        case ast.ImportFrom(module=str(module)):
            return module in SERVER_MODULES or module.partition(".")[0] in SERVER_MODULES
        case ast.Constant(value=str(text)):
            return LISTENING_WORDS.search(text) is not None
    return False


def test_each_module_that_listens_has_a_row() -> None:
    rows = table("module", "listens at", "who can use it", "what it serves")

    found = [name for name, tree in running().items() if listens(tree)]

    assert sorted(row[0] for row in rows) == sorted(found)


@pytest.mark.parametrize(
    "source",
    [
        "server.bind(('', 80))", "asyncio.start_server(f)", "from http.server import HTTPServer",
        "import socketserver", "x = f'hostfwd=tcp::{port}-:22'", "x = ('-vnc', ':1')",
        "add(root, 'graphics', {'type': 'vnc'})", "x = {'addr': ':5000'}", "x = '0.0.0.0'",
    ],
)  # fmt: skip
def test_a_new_listener_is_detected(source: str) -> None:
    assert listens(ast.parse(source))
    assert not listens(ast.parse(f'"""{source}"""'))


def test_bound_sockets_are_of_the_loopback() -> None:
    bound = [
        (name, address_of(node))
        for name, tree in running().items()
        for node in nodes(tree, ast.Call)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "bind"
    ]

    assert {name for name, _ in bound} == {
        "images/container/registry.py", "machine/ownership/ports.py",
    }  # fmt: skip
    assert {address for _, address in bound} <= {"LOOPBACK", repr(LOOPBACK)}


def address_of(call: ast.Call) -> str:
    (given,) = call.args
    return ast.unparse(given.elts[0]) if isinstance(given, ast.Tuple) else ast.unparse(given)


def test_servers_of_the_host_listen_at_the_address_of_their_row(tmp_path: Path) -> None:
    rows = {
        row[0]: row[1] for row in table("module", "listens at", "who can use it", "what it serves")
    }
    with _Server({}, None) as server:
        seen = {"cluster/web.py": {str(server.server_address[0])}}
    seen["images/container/registry.py"] = {registry_address(tmp_path)}
    seen["cluster/manifests.py"] = {*control_plane_addresses(tmp_path)}
    seen["machine/domain/network.py"] = {forwarded_address()}

    assert {name: {LOOPBACK} for name in seen} == seen
    assert [name for name in seen if not rows[name].startswith(LOOPBACK)] == []
    assert f"ports {PORTS.start} to {PORTS.stop - 1}" in rows["machine/domain/network.py"]


def registry_address(folder: Path) -> str:
    addresses = re.findall(r'"addr": "(.*):5000"', configuration(folder, 5000))
    assert len(addresses) == 1
    return str(addresses[0])


def control_plane_addresses(folder: Path) -> Iterator[str]:
    at = _layout(folder, 0)
    words = dict(
        word.split("=", 1)
        for word in (*etcd_arguments(at), *apiserver_arguments(at))
        if "=" in word
    )
    yield words["--bind-address"]
    yield from (
        str(urlsplit(words[name]).hostname) for name in words if name.startswith("--listen-")
    )


def forwarded_address() -> str:
    network = Network(forwards=(Forward(host_port=20000, guest_port=22),))
    (address,) = re.findall(
        r"hostfwd=tcp:(.*?):20000-", " ".join(network.qemu_words(architecture("x86_64")))
    )
    return str(address)


def test_all_addresses_are_opened_only_inside_a_guest() -> None:
    everywhere = [
        name
        for name, tree in running().items()
        for node in nodes(tree, ast.Constant)
        if node.value == "0.0.0.0"
    ]
    rows = {
        row[0]: row[1] for row in table("module", "listens at", "who can use it", "what it serves")
    }

    assert everywhere == ["cluster/manifests.py"]
    assert guest_layout("10.0.2.2").listen == "0.0.0.0"
    assert "0.0.0.0 inside a guest" in rows["cluster/manifests.py"]


def test_each_module_that_starts_a_web_server_has_a_row() -> None:
    rows = {row[0]: row[1] for row in table("module", "by", "what it serves")}

    calls = {name: made for name, tree in running().items() if (made := calls_of_serve(tree))}

    assert sorted(rows) == sorted(calls)
    for name, (call,) in calls.items():
        assert ("HTTPS" in rows[name]) == (len(call.args) > 1), name


def calls_of_serve(tree: ast.Module) -> list[ast.Call]:
    names = {*names_of_serve(tree)}
    return [call for call in nodes(tree, ast.Call) if dotted(call.func) in names]


def names_of_serve(tree: ast.Module) -> Iterator[str]:
    """Yield how a module calls `serve` of the web server."""
    for node in nodes(tree, ast.ImportFrom):
        for name in node.names:
            known_as = name.asname or name.name
            if (node.module, name.name) == ("harness.cluster.web", "serve"):
                yield known_as
            elif (node.module, name.name) == ("harness.cluster", "web"):
                yield f"{known_as}.serve"


def test_each_mode_in_the_source_is_in_the_table() -> None:
    rows = {row[:2] for row in table("module", "mode", "what")}

    found = {(name, f"{mode:04o}") for name, tree in running().items() for mode in modes_in(tree)}

    assert sorted(rows) == sorted(found)
    public = {"atomic.py", "recording/artifacts.py"}
    assert {mode for name, mode in rows if name not in public} == {"0600", "0700"}


def modes_in(tree: ast.Module) -> Iterator[int]:
    for node in nodes(tree, ast.Call):
        if isinstance(node.func, ast.Attribute):
            given = [word.value for word in node.keywords if word.arg == "mode"]
            if node.func.attr in {"mkdir", "touch", "chmod"}:
                yield from numbers_in((*given, *node.args))
            elif dotted(node.func) == "os.open":
                yield from numbers_in(node.args[2:])


def numbers_in(nodes: Sequence[ast.AST]) -> Iterator[int]:
    for part in (part for node in nodes for part in ast.walk(node)):
        if isinstance(part, ast.Constant) and type(part.value) is int:
            yield part.value


@pytest.fixture
def open_umask() -> Iterator[None]:
    """With no umask, so that only what the code does keeps others out."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("open_umask")
def test_folders_are_private_whatever_the_umask_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    kept = Artifacts(choose(None))
    with (
        begin_run(scratch_root=tmp_path) as run, temporary.folder(tmp_path) as large,
        reserve_port(run.port_locks),
    ):  # fmt: skip
        made = (folders.runs_dir(), run.folder, run.scratch, run.port_locks, large, kept.folder)

        assert {path.name: mode_of(path) for path in made if mode_of(path) != 0o700} == {}
    kept.close()


@pytest.mark.usefixtures("open_umask")
def test_keys_and_memory_are_private_whatever_the_umask_is(tmp_path: Path) -> None:
    (tmp_path / "ram").write_bytes(b"secret")

    copy_sparse(tmp_path / "ram", tmp_path / "checkpoint", soon())
    write_files(tmp_path / "tls", make_pki())

    files = [tmp_path / "checkpoint", *(tmp_path / "tls").iterdir()]
    assert len(files) > 5
    assert {path.name: mode_of(path) for path in files if mode_of(path) != 0o600} == {}
    assert mode_of(tmp_path / "tls") == 0o700


def test_a_run_leaves_only_empty_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    scratch = tmp_path / "var-tmp"
    scratch.mkdir()
    (tmp_path / "tmp").mkdir()
    with begin_run(scratch_root=scratch) as run, reserve_port(run.port_locks):
        (run.folder / "key").write_text("secret")
        (run.scratch / "disk").write_text("secret")

    left = [path for path in (tmp_path / "tmp").rglob("*") if path.is_file()]
    assert [*scratch.iterdir()] == []
    assert {path.relative_to(run.runs).parts[0] for path in left} == {"gate", "ports"}
    assert {path.stat().st_size for path in left} == {0}
    assert "the empty locks `gate` and `ports/`" in PAGE


def test_each_module_that_makes_temporary_folders_has_a_row() -> None:
    rows = {row[0]: row[1] for row in table("module", "`clean` removes it", "what")}

    found = {name: makes for name, tree in running().items() if (makes := [*temporary_in(tree)])}

    assert sorted(rows) == sorted(found)
    for name, calls in found.items():
        is_removed = name == "temporary.py" or all("dir=run.folder" in call for call in calls)
        assert rows[name] == ("yes" if is_removed else "no"), name


def temporary_in(tree: ast.Module) -> Iterator[str]:
    for node in nodes(tree, ast.Call):
        if dotted(node.func).split(".")[-1] in FOLDER_MAKERS:
            yield ast.unparse(node)


BOUNDS = table("what", "bound", "constant")


@pytest.mark.parametrize(("bound", "constant"), [row[1:] for row in BOUNDS])
def test_bound_is_that_of_the_code(bound: str, constant: str) -> None:
    module, _, name = constant.rpartition(".")

    assert number_of(bound) == getattr(importlib.import_module(f"harness.{module}"), name)


def number_of(text: str) -> int:
    number, _, unit = text.partition(" ")
    return int(number) * UNITS.get(unit, 1)


def test_what_is_removed_unopened_is_named() -> None:
    from harness.model.secrets.opened import _KINDS, UnreadableError, unpacked

    closed = [begin for begin, opener in _KINDS.items() if opener is None]

    assert len(closed) == 4
    assert "packed by zstd, lz4, zip or 7z" in PAGE
    for begin in closed:
        with pytest.raises(UnreadableError):
            unpacked(begin + bytes(20))
    assert "first 256 KiB" in PAGE
