"""Logins with OpenSSH's programs: the files of the keys, and the words of the commands."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness import process
from harness.guest.keys import make_run_keys
from harness.model.clock import Deadline
from harness.node.dial import Endpoint
from harness.node.login import Login, login_files

KEYS = make_run_keys()


def endpoint(port: int) -> Endpoint:
    return Endpoint(
        address="127.0.0.1", port=port, client_key=KEYS.client.private, host_key=KEYS.host.public
    )


def login(folder: Path) -> Login:
    return Login(port=2222, key=folder / "key", known_hosts=folder / "known")


def test_files_of_the_keys_are_private_and_go_on_leaving(tmp_path: Path) -> None:
    with login_files(tmp_path, {"one": endpoint(2222), "two": endpoint(2223)}) as logins:
        files = sorted(tmp_path.iterdir())
        known = logins["two"].known_hosts.read_text().splitlines()
        assert [path.stat().st_mode & 0o777 for path in files] == [0o600, 0o600]
        assert logins["one"].key.read_text() == KEYS.client.private.reveal()

    assert known == [f"[127.0.0.1]:{port} {KEYS.host.public}" for port in (2222, 2223)]
    assert not list(tmp_path.iterdir())


def test_one_word_is_a_line_for_the_shell_and_several_are_arguments(tmp_path: Path) -> None:
    line = login(tmp_path).ssh(command=("test -e /a && echo b",))
    words = login(tmp_path).ssh(command=("printf", "%s\n", "two words", "$HOME"))

    assert line[-2:] == ("core@127.0.0.1", "test -e /a && echo b")
    assert words[-2:] == ("core@127.0.0.1", "printf '%s\n' 'two words' '$HOME'")


def test_the_programs_read_no_config_and_know_only_the_guests_key(tmp_path: Path) -> None:
    if shutil.which("ssh") is None:
        pytest.skip("OpenSSH's client is not installed")
    folder = tmp_path / "with blank"
    folder.mkdir()
    (folder / "key").touch()  # ssh ignores a key that does not exist

    asked = process.run((*login(folder).ssh(("-G",)),), Deadline.after(10.0)).stdout

    known = dict(line.split(" ", 1) for line in asked.splitlines() if " " in line)
    assert known["userknownhostsfile"] == str(folder / "known")
    assert (known["hostname"], known["port"], known["user"]) == ("127.0.0.1", "2222", "core")
    assert (known["identityfile"], known["identitiesonly"]) == (str(folder / "key"), "yes")
    assert known["stricthostkeychecking"] in ("true", "yes")
