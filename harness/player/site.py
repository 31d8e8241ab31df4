"""What a scenario's configs and services know of the play that they are part of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from harness.guest.keys import RunKeys
from harness.guest.limits import Limits
from harness.machine.domain.segment import Segment
from harness.model.ignition import Config, Document
from harness.player.inputs import Inputs, Rig
from harness.player.running import Running

_Value = TypeVar("_Value")


class Site(Protocol):
    """One scenario while it is played. `limits` are the guest's, stretched for this host."""

    name: str
    rig: Rig
    inputs: Inputs
    keys: RunKeys
    limits: Limits

    @property
    def folder(self) -> Path:
        """A private folder that is removed with the run."""

    @property
    def access(self) -> tuple[Config, ...]:
        """What every machine needs: logins, evidence, trust in the registry."""

    @property
    def kubelet(self) -> tuple[Config, ...]:
        """A kubelet without a cluster, and its runtime's settings."""

    @property
    def services(self) -> Mapping[str, object]:
        """What the running services yielded, by name."""

    @property
    def saved(self) -> Mapping[str, Path]:
        """The files that services saved with the kept checkpoint that this is for, by name."""

    @property
    def machines(self) -> Mapping[str, Running]:
        """The machines that are switched on, by name."""

    @property
    def segments(self) -> Mapping[str, Segment]:
        """The machines' ends of their links, by machine."""

    def document(self, *pieces: Config) -> Document:
        """Return a machine's config: access, `pieces`, then the user's own on top."""

    def nested(self, *pieces: Config) -> Document:
        """Return a config that another config contains. It is checked here, but not later.

        Raises:
            InputError: `ignition-validate` refuses it.
        """

    def config_of(self, machine: str) -> Document:
        """Return the whole Ignition config of a machine, made once."""

    def service(self, name: str, kind: type[_Value]) -> _Value:
        """Return what the service `name` yielded, a value of `kind`.

        Raises:
            InputError: the scenario has none of that name, lists it too late, or it yielded
                something else.
        """
