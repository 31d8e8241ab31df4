"""The SSH session against a real SSH server in this process, on loopback."""

from __future__ import annotations

import io
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

import paramiko
import pytest

from harness.guest.keys import KeyPair, RunKeys, make_run_keys
from harness.model.clock import Deadline, NotYet, SystemClock
from harness.model.errors import DeadlineError, ProductError, RigError
from harness.node import dial as dialling
from harness.node import ssh
from harness.node.dial import Endpoint, HostKeyError, dial
from harness.node.ssh import ConnectionLostError, GuestCommandError, Session

BIG = 3 << 20  # more than a channel's window: a reader that minds one stream only gets stuck
SOON_S = 0.05
LONG_S = 20.0

Behaviour = Callable[[paramiko.Channel], None]


class Sshd(paramiko.ServerInterface):
    """An sshd whose commands are Python functions; it lets one key in."""

    def __init__(self, keys: RunKeys, behaviours: dict[str, Behaviour]) -> None:
        self.host_key = _load(keys.host)
        self.client_key = _load(keys.client)
        self.behaviours = behaviours
        self.commands: list[str] = []
        self.transports: list[paramiko.Transport] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(self.host_key)
            self.transports.append(transport)
            transport.start_server(event=threading.Event(), server=self)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.drop()

    def drop(self) -> None:
        for transport in self.transports:
            transport.close()

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        known = username == "core" and key.asbytes() == self.client_key.asbytes()
        return paramiko.common.AUTH_SUCCESSFUL if known else paramiko.common.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.commands.append(command.decode())
        behaviour = self.behaviours[command.decode()]
        threading.Thread(target=_answer, args=(behaviour, channel), daemon=True).start()
        return True


def _answer(behaviour: Behaviour, channel: paramiko.Channel) -> None:
    # The client closes the command's input once its request is granted, so this cannot run ahead.
    channel.recv(1)
    behaviour(channel)


def _load(pair: KeyPair) -> paramiko.Ed25519Key:
    return paramiko.Ed25519Key(file_obj=io.StringIO(pair.private.reveal()))


def _says(stdout: bytes = b"", stderr: bytes = b"", status: int = 0) -> Behaviour:
    def behave(channel: paramiko.Channel) -> None:
        # OpenSSH sends the status before the last output: a client must not stop at the status.
        channel.send_exit_status(status)
        channel.sendall_stderr(stderr)
        channel.sendall(stdout)
        channel.close()

    return behave


def _hangs(channel: paramiko.Channel) -> None:
    """Answer nothing and keep the channel open."""


@pytest.fixture(scope="module")
def keys() -> RunKeys:
    return make_run_keys()


@pytest.fixture
def sshd(keys: RunKeys) -> Iterator[Sshd]:
    server = Sshd(keys, {"hang": _hangs})
    yield server
    server.close()


@pytest.fixture
def endpoint(keys: RunKeys, sshd: Sshd) -> Endpoint:
    return Endpoint(
        address="127.0.0.1",
        port=sshd.port,
        client_key=keys.client.private,
        host_key=keys.host.public,
    )


@pytest.fixture
def session(endpoint: Endpoint) -> Iterator[Session]:
    with Session.connect(endpoint, _long()) as opened:
        yield opened


class HastyClock(SystemClock):
    """Real time, in which sleeping takes none."""

    def sleep(self, seconds: float) -> None:
        pass


def _long() -> Deadline:
    return Deadline.after(LONG_S)


def test_command_gives_status_and_both_streams(sshd: Sshd, session: Session) -> None:
    sshd.behaviours["greet"] = _says(b"hello\n", b"oh\n", 3)

    result = session.run("greet", _long(), sudo=False)

    assert (result.status, result.stdout, result.stderr) == (3, "hello\n", "oh\n")


def test_command_runs_as_root_by_default_and_keeps_its_quotes(sshd: Sshd, session: Session) -> None:
    sshd.behaviours["""sudo -n sh -c 'echo '"'"'a b'"'"''"""] = _says(b"a b\n")

    assert session.run("echo 'a b'", _long()).stdout == "a b\n"


def test_checked_command_that_fails_reports_its_error_output(sshd: Sshd, session: Session) -> None:
    sshd.behaviours["sudo -n sh -c 'cat -- /none'"] = _says(stderr=b"no such file\n", status=1)

    with pytest.raises(GuestCommandError, match=r"cat -- /none exited 1: no such file") as caught:
        session.read_text("/none", _long())

    assert caught.value.result.status == 1


def test_big_outputs_on_both_streams_do_not_deadlock(sshd: Sshd, session: Session) -> None:
    sshd.behaviours["big"] = _says(b"o" * BIG, b"e" * BIG)

    result = session.run("big", _long(), sudo=False)

    assert (len(result.stdout), len(result.stderr)) == (BIG, BIG)


def test_output_that_is_not_utf8_is_still_given(sshd: Sshd, session: Session) -> None:
    sshd.behaviours["raw"] = _says(b"a\xffb")

    assert session.run("raw", _long(), sudo=False).stdout == "a\N{REPLACEMENT CHARACTER}b"


def test_hanging_command_ends_at_its_deadline_and_the_session_lives_on(
    sshd: Sshd, session: Session
) -> None:
    sshd.behaviours["after"] = _says(b"fine")

    with pytest.raises(
        DeadlineError, match="hang: timed out after 0 s: still running in the guest"
    ):
        session.run("hang", Deadline.after(SOON_S), sudo=False)

    assert session.run("after", _long(), sudo=False).stdout == "fine"


def test_exec_request_that_is_never_answered_ends_at_its_deadline(
    sshd: Sshd, session: Session
) -> None:
    answer = threading.Event()
    sshd.behaviours["frozen"] = _hangs
    sshd.check_channel_exec_request = lambda *_: answer.wait(LONG_S)  # type: ignore[method-assign]

    with pytest.raises(DeadlineError, match="frozen"):
        session.run("frozen", Deadline.after(SOON_S), sudo=False)

    answer.set()


def test_dropped_connection_is_an_error_and_the_command_ran_once(
    sshd: Sshd, session: Session
) -> None:
    sshd.behaviours["drop"] = lambda _channel: sshd.drop()

    with pytest.raises(ConnectionLostError, match="command: drop"):
        session.run("drop", _long(), sudo=False)
    with pytest.raises(ConnectionLostError, match="command: again"):
        session.run("again", _long(), sudo=False)

    assert sshd.commands == ["drop"]


def test_command_without_exit_status_is_an_error(sshd: Sshd, session: Session) -> None:
    sshd.behaviours["killed"] = lambda channel: channel.close()

    with pytest.raises(ConnectionLostError, match="a signal killed the command"):
        session.run("killed", _long(), sudo=False)


def test_machine_that_dies_under_a_command_ends_it(sshd: Sshd, endpoint: Endpoint) -> None:
    looks = iter([None, "kernel panic"])

    def still_alive() -> None:
        if (reason := next(looks)) is not None:
            raise ProductError(reason)

    with (
        Session.connect(endpoint, _long(), still_alive) as session,
        pytest.raises(ProductError, match="kernel panic"),
    ):
        session.run("hang", _long(), sudo=False)


def test_other_host_key_is_an_error_that_says_so(endpoint: Endpoint) -> None:
    stranger = replace(endpoint, host_key=make_run_keys().host.public)

    with pytest.raises(HostKeyError, match=r"expected SHA256:\S+, seen ssh-ed25519 SHA256:"):
        Session.connect(stranger, _long())


def test_refused_key_is_retried_and_reported_at_the_deadline(endpoint: Endpoint) -> None:
    other = replace(endpoint, client_key=make_run_keys().client.private)

    with pytest.raises(DeadlineError, match=r"login of core failed: the key was refused"):
        Session.connect(other, Deadline.after(0))


def test_refused_connection_is_reported_at_the_deadline(endpoint: Endpoint) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        deaf = replace(endpoint, port=listener.getsockname()[1])

    with pytest.raises(DeadlineError, match=r"SSH to core@127\.0\.0\.1:\d+: .*refused"):
        Session.connect(deaf, Deadline.after(0))


def test_dead_machine_ends_the_wait_at_once(endpoint: Endpoint) -> None:
    with pytest.raises(ProductError, match="QEMU exited 1"):
        Session.connect(endpoint, _long(), _dies("QEMU exited 1"))


def test_server_that_hangs_up_before_its_banner_is_quiet_and_retried(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        hang_up = threading.Thread(target=lambda: listener.accept()[0].close(), daemon=True)
        hang_up.start()
        mute = replace(endpoint, port=listener.getsockname()[1])

        with pytest.raises(DeadlineError, match="sshd does not answer"):
            Session.connect(mute, Deadline.after(0))

    assert caplog.records == []


def test_fresh_session_is_another_connection(sshd: Sshd, session: Session) -> None:
    sshd.behaviours["ok"] = _says(b"ok")

    with session.fresh(_long()) as other:
        session.close()
        assert other.run("ok", _long(), sudo=False).stdout == "ok"

    assert len(sshd.transports) == 2


def test_reboot_is_detected_by_the_boot_id(sshd: Sshd, session: Session) -> None:
    boots = [b"o-ne\n", b"o-ne\n", b"two\n", b"two\n"]
    line = "sudo -n sh -c 'cat -- /proc/sys/kernel/random/boot_id'"
    sshd.behaviours[line] = lambda channel: _says(boots.pop(0))(channel)

    before = session.boot_id(_long())
    journals = before.replace("-", "")
    session.wait_for_reboot([journals], Deadline.after(LONG_S, HastyClock()))

    assert session.boot_id(_long()) == "two"
    assert len(sshd.transports) == 3


def test_guest_that_never_reboots_is_reported(sshd: Sshd, session: Session) -> None:
    line = "sudo -n sh -c 'cat -- /proc/sys/kernel/random/boot_id'"
    sshd.behaviours[line] = _says(b"one\n")

    with pytest.raises(DeadlineError, match=r"another boot: .*still in boot one"):
        session.wait_for_reboot(["one"], Deadline.after(0))


def test_banner_that_never_comes_is_not_waited_for_when_the_machine_dies(
    keys: RunKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialling, "_LOOK_S", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = Endpoint(
            address="127.0.0.1", port=silent.getsockname()[1], client_key=keys.client.private,
            host_key=keys.host.public,
        )  # fmt: skip
        long_ago = replace(Deadline.after(LONG_S), limit_s=1000.0)  # a banner may take 98 s

        with pytest.raises(ProductError, match="a panic"):
            dial(endpoint, long_ago, _dies("a panic"))


def test_leaving_the_session_closes_the_connection(sshd: Sshd, endpoint: Endpoint) -> None:
    with Session.connect(endpoint, _long()) as session:
        pass

    with pytest.raises(ConnectionLostError):
        session.run("hang", _long(), sudo=False)


def test_endpoint_shows_no_keys(endpoint: Endpoint) -> None:
    assert "ssh-ed25519" not in repr(endpoint)
    assert "PRIVATE" not in repr(endpoint)


def test_no_step_of_a_try_outlasts_the_deadline(sshd: Sshd, endpoint: Endpoint) -> None:
    late = replace(Deadline.after(5.0), limit_s=1000.0)

    transport = dial(endpoint, late)
    transport.close()

    assert transport.banner_timeout <= 5.0
    assert transport.handshake_timeout <= 5.0


def test_an_sshd_that_is_up_has_half_of_the_time_for_one_attempt(
    sshd: Sshd, endpoint: Endpoint
) -> None:
    soon, patient = (
        dial(each, Deadline.after(100.0)) for each in (endpoint, replace(endpoint, is_up=True))
    )
    for transport in (soon, patient):
        transport.close()

    assert soon.banner_timeout < 5.0
    assert (patient.banner_timeout, patient.handshake_timeout) == (50.0, 50.0)


def test_there_are_few_attempts_before_the_guest_has_shown_its_sshd(
    sshd: Sshd, endpoint: Endpoint
) -> None:
    hidden = replace(endpoint, is_shown=lambda: False)
    blind, soon = (dial(each, Deadline.after(100.0)) for each in (hidden, endpoint))
    for transport in (blind, soon):
        transport.close()

    assert blind.banner_timeout == 30.0
    assert soon.banner_timeout < 5.0


def test_an_attempt_without_an_answer_ends_when_the_guest_shows_its_sshd(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialling, "_LOOK_S", 0.01)
    shown = iter([False, False, True])
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        guest = replace(endpoint, port=port, is_shown=lambda: next(shown))

        with pytest.raises(NotYet, match="sshd listens since a moment ago"):
            dial(guest, _long())


def test_an_attempt_that_sshd_has_answered_goes_on_when_the_guest_shows_it(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialling, "_LOOK_S", 0.01)
    answered = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection = listener.accept()[0]
            with connection:
                connection.sendall(b"SSH-2.0-slow\r\n")
                while not _has_offers(connection.recv(1 << 16)):
                    pass
                answered.set()
                looked.wait(LONG_S)

        looked = threading.Event()

        def is_shown() -> bool:
            if answered.is_set():
                looked.set()
            return answered.is_set()

        threading.Thread(target=answer, daemon=True).start()
        guest = replace(endpoint, port=listener.getsockname()[1], is_shown=is_shown)

        with pytest.raises(NotYet, match="sshd does not answer") as caught:
            dial(guest, _long(), _looks_at(is_shown))

    assert "since a moment ago" not in str(caught.value)


@pytest.mark.parametrize("send", [paramiko.Channel.sendall, paramiko.Channel.sendall_stderr])
def test_output_beyond_the_limit_is_an_error(
    send: Callable[[paramiko.Channel, bytes], None],
    sshd: Sshd,
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ssh, "_OUTPUT_LIMIT_BYTES", 1 << 20)

    def shout(channel: paramiko.Channel) -> None:
        with suppress(OSError, EOFError):  # we hang up on it
            send(channel, b"x" * BIG)

    sshd.behaviours["big"] = shout

    with pytest.raises(RigError, match="big wrote more than 1 MiB"):
        session.run("big", _long(), sudo=False)


def _has_offers(received: bytes) -> bool:
    """Return whether a client has read the banner: only then does it offer its algorithms."""
    return b"curve25519" in received


def _looks_at(question: Callable[[], object]) -> Callable[[], None]:
    def still_alive() -> None:
        question()

    return still_alive


def _dies(reason: str) -> Callable[[], None]:
    def still_alive() -> None:
        raise ProductError(reason)

    return still_alive
