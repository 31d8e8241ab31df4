"""A control plane on this host that does not come up: fakes of its programs, real processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cluster.control_plane import hosted
from harness.cluster.payload import Payload
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, RigError
from harness.pki.control_plane import make_pki

WAITS = 'echo "$$" >>"$0.pids"; exec sleep 60'


def payload_of(folder: Path, etcd: str = WAITS, apiserver: str = WAITS) -> Payload:
    payload = Payload(folder=folder)
    programs = {
        # etcd is started by the loader of its own libraries.
        payload.etcd_tree / "lib64/ld-linux-x86-64.so.2": etcd,
        payload.hyperkube_tree / "usr/bin/kube-apiserver": apiserver,
    }
    for path, text in programs.items():
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    return payload


def pids(folder: Path) -> list[int]:
    return [int(pid) for path in folder.rglob("*.pids") for pid in path.read_text().split()]


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize(
    ("etcd", "apiserver", "message"),
    [
        ("echo no such key >&2; exit 3", WAITS, "etcd: ended with status 3: no such key"),
        (WAITS, "echo unknown flag; exit 1", "kube-apiserver: ended with status 1: unknown flag"),
    ],
)
def test_a_program_that_ends_is_reported_with_its_log(
    etcd: str, apiserver: str, message: str, tmp_path: Path
) -> None:
    payload = payload_of(tmp_path / "payload", etcd, apiserver)

    with (
        pytest.raises(RigError, match=message),
        hosted(tmp_path / "plane", payload, make_pki(), Deadline.after(20)),
    ):
        pass

    assert not any(map(is_running, pids(tmp_path)))


def test_one_that_never_answers_ends_with_the_deadline(tmp_path: Path) -> None:
    waits = f"echo etcd is away >&2; {WAITS}"
    payload = payload_of(tmp_path / "payload", apiserver=waits)

    with (
        pytest.raises(
            DeadlineError, match=r"timed out after 1 s(.|\n)*kube-apiserver: etcd is away"
        ),
        hosted(tmp_path / "plane", payload, make_pki(), Deadline.after(1)),
    ):
        pass

    assert len(pids(tmp_path)) == 2
    assert not any(map(is_running, pids(tmp_path)))


def test_ports_that_others_take_are_given_up_after_some_tries(tmp_path: Path) -> None:
    taken = 'echo "$$" >>"$0.pids"; echo bind: address already in use; exit 1'
    payload = payload_of(tmp_path / "payload", etcd=taken)

    with (
        pytest.raises(RigError, match="control plane: no free ports after 5 tries"),
        hosted(tmp_path / "plane", payload, make_pki(), Deadline.after(30)),
    ):
        pass

    assert len(list((tmp_path / "payload").rglob("ld-linux*.pids"))) == 1
    assert len(pids(tmp_path / "payload" / "etcd-tree")) == 5


def test_keys_are_for_this_user_alone(tmp_path: Path) -> None:
    payload = payload_of(tmp_path / "payload")

    with (
        pytest.raises(DeadlineError),
        hosted(tmp_path / "plane", payload, make_pki(), Deadline.after(0.2)),
    ):
        pass

    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "plane/tls").iterdir()}
    assert modes == {0o600}
