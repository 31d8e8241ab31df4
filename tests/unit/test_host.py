"""What a host lacks is found by marks, and installed by its own distribution's packages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness import host
from harness.host import Host
from harness.host_needs import NEEDS, Family, HostNeed, Purpose

DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n'
UBUNTU = "ID=ubuntu\nID_LIKE=debian\n"
FEDORA = "NAME='Fedora Linux'\nID=fedora\nVERSION_ID=43\n"
CENTOS = 'ID="centos"\nID_LIKE="rhel fedora"\n'
ROCKY = '# a rebuild\nID="rocky"\n\nID_LIKE="rhel centos fedora"\n'
ARCH = "ID=arch\n"

SKOPEO = HostNeed(
    name="skopeo", purpose=Purpose.MACHINE, marks=("skopeo",), apt="skopeo", dnf="skopeo-dnf"
)
COMPILER = HostNeed(
    name="cc", purpose=Purpose.PLUGIN, marks=("cc", "/opt/*/cc"), apt="gcc", dnf="gcc-dnf"
)


class FakeMachine:
    """Programs that appear when a command is called, and the commands that were."""

    def __init__(self, *present: str, provides: Sequence[str] = (), status: int = 0) -> None:
        self.present = set(present)
        self.provides = provides
        self.status = status
        self.called: list[tuple[str, ...]] = []

    def call(self, argv: Sequence[str]) -> int:
        self.called.append(tuple(argv))
        self.present.update(self.provides)
        return self.status

    def host(self, os_release: str = DEBIAN, elevation: tuple[str, ...] | None = ()) -> Host:
        return Host(
            os_release=os_release,
            elevation=elevation,
            has=self.present.__contains__,
            call=self.call,
        )


@pytest.mark.parametrize(
    ("os_release", "family"),
    [
        (DEBIAN, Family.APT),
        (UBUNTU, Family.APT),
        (FEDORA, Family.DNF),
        (CENTOS, Family.DNF),
        (ROCKY, Family.DNF),
        (ARCH, None),
        ("", None),
    ],
)
def test_os_release_names_the_package_family(os_release: str, family: Family | None) -> None:
    assert host.family_of(os_release) is family


def test_any_one_mark_satisfies_a_need() -> None:
    machine = FakeMachine("/opt/*/cc")

    assert machine.host().missing((SKOPEO, COMPILER)) == (SKOPEO,)


def test_apt_refreshes_its_lists_once_then_installs_all_without_questions() -> None:
    update, install = FakeMachine().host().commands((SKOPEO, COMPILER, SKOPEO))

    assert update[0] == "apt-get"
    assert update[-1] == "update"
    assert install[:2] == ("env", "DEBIAN_FRONTEND=noninteractive")
    assert "-y" in install
    assert install[-3:] == ("--no-install-recommends", "gcc", "skopeo")


def test_dnf_installs_its_own_names_in_one_command() -> None:
    (install,) = FakeMachine().host(FEDORA).commands((SKOPEO, COMPILER))

    assert install[:3] == ("dnf", "install", "-y")
    assert install[-2:] == ("gcc-dnf", "skopeo-dnf")


def test_every_command_of_an_ordinary_user_goes_through_sudo() -> None:
    commands = FakeMachine().host(elevation=("sudo",)).commands((SKOPEO,))

    assert [command[0] for command in commands] == ["sudo", "sudo"]


def test_advice_is_one_line_to_paste_even_without_sudo() -> None:
    advice = FakeMachine().host(elevation=None).advice((SKOPEO,))

    assert advice.startswith("sudo apt-get ")
    assert " && sudo env " in advice
    assert "\n" not in advice


def test_advice_names_the_needs_on_an_unknown_distribution() -> None:
    assert FakeMachine().host(ARCH).advice((SKOPEO, COMPILER)).endswith(": skopeo, cc")


def test_install_does_nothing_and_says_so_when_all_is_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    machine = FakeMachine("skopeo")

    assert host.install(machine.host(), (SKOPEO,)) == 0
    assert machine.called == []
    assert "nothing to install" in capsys.readouterr().out


def test_install_prints_what_and_why_before_it_runs_the_commands(
    capsys: pytest.CaptureFixture[str],
) -> None:
    machine = FakeMachine(provides=["skopeo"])

    assert host.install(machine.host(), (SKOPEO,)) == 0
    assert len(machine.called) == 2
    shown = capsys.readouterr().out
    assert "skopeo: needed to boot machines" in shown
    assert "apt-get" in shown


def test_dry_run_prints_and_runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    machine = FakeMachine()

    assert host.install(machine.host(), (SKOPEO,), dry_run=True) == 0
    assert machine.called == []
    assert "--no-install-recommends skopeo" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("os_release", "elevation", "error"),
    [(DEBIAN, None, "as root"), (ARCH, (), "distribution is unknown")],
)
def test_install_gives_up_with_one_error_where_it_can_do_nothing(
    capsys: pytest.CaptureFixture[str],
    os_release: str,
    elevation: tuple[str, ...] | None,
    error: str,
) -> None:
    machine = FakeMachine()

    assert host.install(machine.host(os_release, elevation), (SKOPEO,)) == 1
    assert machine.called == []
    assert error in capsys.readouterr().err


def test_install_stops_at_the_first_command_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    machine = FakeMachine(status=100)

    assert host.install(machine.host(), (SKOPEO,)) == 1
    assert len(machine.called) == 1
    assert "update" in capsys.readouterr().err


def test_install_names_what_is_still_missing_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    machine = FakeMachine(provides=["cc"])

    assert host.install(machine.host(CENTOS), (SKOPEO, COMPILER)) == 1
    shown = capsys.readouterr().err
    assert "skopeo" in shown
    assert "cc" not in shown


def test_marks_find_programs_and_absolute_patterns(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").touch()

    assert host.is_present("sh")
    assert not host.is_present("no-such-program-anywhere")
    assert host.is_present(f"{tmp_path}/*/file")
    assert not host.is_present(f"{tmp_path}/*/other")
    assert not host.is_present("no/such/library.so")


def test_every_row_of_the_table_is_complete_and_named_once() -> None:
    assert all(need.apt and need.dnf and all(need.marks) for need in NEEDS)
    assert len({need.name for need in NEEDS}) == len(NEEDS)
    assert {need.purpose for need in NEEDS} == set(Purpose) - {Purpose.TOX}


@pytest.mark.parametrize(("options", "is_wanted"), [([], False), (["--all"], True)])
def test_other_architectures_are_installed_on_demand(
    options: list[str],
    is_wanted: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    host.main(["install", "--dry-run", *options])

    shown = capsys.readouterr().out
    assert ("QEMU for s390x" in shown) is is_wanted
    assert "swtpm: needed to give machines a TPM" in shown


def test_command_line_refuses_an_unknown_action(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        host.main(["remove"])

    assert raised.value.code == 2
    assert "invalid choice" in capsys.readouterr().err


def test_missing_account_is_made_after_the_packages() -> None:
    account = HostNeed(
        name="account", purpose=Purpose.MACHINE, marks=("user:libvirt-qemu", "user:qemu"),
        apt="driver", dnf="driver",
    )  # fmt: skip

    commands = FakeMachine().host().commands([account])

    assert commands[-1][:2] == ("sh", "-c")
    assert "useradd --system" in commands[-1][2]
    assert commands[-1][2].endswith("libvirt-qemu")


def test_account_is_present_when_the_system_knows_it() -> None:
    assert host.is_present("user:root")
    assert not host.is_present("user:no-such-account-anywhere")
