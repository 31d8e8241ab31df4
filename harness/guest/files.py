"""Programs and units of `fixtures/guest` as parts of Ignition configs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from harness import folders
from harness.model.ignition import Dropin, File, Unit

BIN = "/usr/local/bin"
"""Where the guest's programs are."""
MULTI_USER = "node-image-harness-multi-user.service"
"""The unit that reports multi-user.target."""

_REPORTERS = ("node-image-harness-event", "node-image-harness-failed")
_FAILED = "units/node-image-harness-failed@.service"


def text(name: str) -> str:
    """Return the text of the file `name` of the folder."""
    return folders.fixture(f"guest/{name}").read_text(encoding="utf-8")


def program(name: str, path: str | None = None) -> File:
    """Return the program `name` at `path`, or under its own name in `BIN`."""
    where = path or f"{BIN}/{PurePosixPath(name).name}"
    return File(path=where, contents=text(name), mode=0o755, overwrite=True)


def programs(*names: str) -> tuple[File, ...]:
    """Return programs in `BIN`, with those that report to the host."""
    return tuple(program(name) for name in (*names, *_REPORTERS))


def unit(name: str, *dropins: Dropin, enabled: bool | None = None) -> Unit:
    """Return the unit `name`, under its own name, with drop-ins."""
    own = PurePosixPath(name).name
    return Unit(name=own, contents=text(name), enabled=enabled, dropins=dropins)


def failed_unit() -> Unit:
    """Return the unit that reports the failure of a unit that names it in OnFailure=."""
    return unit(_FAILED)


def multi_user_unit() -> Unit:
    """Return the unit that reports multi-user.target."""
    return unit(f"units/{MULTI_USER}", enabled=True)


def run_dropin(settings: str, values: Mapping[str, str], before: str = "") -> Dropin:
    """Return the drop-in with a run's own values: a service's settings and its environment.

    `before` precedes the section of the service.
    """
    quoted = {name: value.replace("%", "%%") for name, value in values.items()}
    environment = "".join(f'Environment="{name}={value}"\n' for name, value in quoted.items())
    return Dropin(name="50-run.conf", contents=f"{before}[Service]\n{settings}{environment}")
