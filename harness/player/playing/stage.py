"""The site of one play: its keys, links, configs, services and machines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from harness.guest import access
from harness.guest.keys import make_run_keys
from harness.guest.kubelet import crio_pause, standalone_kubelet
from harness.guest.limits import LIMITS
from harness.guest.live_apply import observation
from harness.guest.validation import require_valid, whole
from harness.machine.domain.segment import Segment, pair
from harness.machine.machine import Machine
from harness.model.drawn import PORT_OF, Drawing, Drawn, drawing
from harness.model.errors import HarnessError, InputError
from harness.model.guest_network import LOOPBACK
from harness.model.ignition import Config, Document, render
from harness.node.dial import Endpoint
from harness.player.inputs import Inputs, Rig
from harness.player.plan import ByPointer
from harness.player.running import Running
from harness.player.scenario import Scenario

_Value = TypeVar("_Value")
_NOTHING: Mapping[str, Path] = MappingProxyType({})


class Stage:
    """One scenario while it is played; a `Site` for its configs and services."""

    def __init__(
        self,
        scenario: Scenario,
        rig: Rig,
        inputs: Inputs,
        drawn: Drawn | None = None,
        saved: Mapping[str, Path] = _NOTHING,
    ) -> None:
        self.scenario = scenario
        self.name = scenario.name
        self.rig = rig
        self.inputs = inputs
        self.drawn = drawn or Drawn()
        self.saved = saved
        limits = LIMITS.of_image(inputs.node_image.size_bytes)
        self.limits = limits.scaled(rig.timeout_factor)
        self.large_pull_s = limits.pull_s - LIMITS.pull_s
        """How much longer than usual a pull of the node image may take, not stretched."""
        self._configs: dict[str, Document] = {}
        self._services: dict[str, object] = {}
        self._listening: set[str] = set()
        self._machines: dict[str, Running] = {}
        with drawing(self.drawn):
            self.keys = make_run_keys()
            self._segments = dict(new_segments(scenario, rig))

    @property
    def folder(self) -> Path:
        """A private folder that is removed with the run."""
        return self.rig.run.folder

    @property
    def access(self) -> tuple[Config, ...]:
        """What every machine needs: logins, evidence, trust in the registry."""
        inputs, registry = self.inputs, self.inputs.registry
        login = () if inputs.authfile is None else (access.registry_login(inputs.authfile),)
        return (
            access.logins(self.keys),
            access.journal_stream(),
            access.registry_trust(registry.address_in_guest, registry.ca_pem),
            *login,
            observation(inputs.paths_to_observe),
        )

    @property
    def kubelet(self) -> tuple[Config, ...]:
        """A kubelet without a cluster, and its runtime's settings."""
        pause = self.inputs.pause_image
        return standalone_kubelet(pause), crio_pause(pause)

    def document(self, *pieces: Config) -> Document:
        """Return a machine's config: access, `pieces`, then the user's own on top."""
        return whole((*self.access, *pieces), self.inputs.extra_ignition)

    def nested(self, *pieces: Config) -> Document:
        """Return a config that another config contains. It is checked here, but not later.

        Raises:
            InputError: `ignition-validate` refuses it.
        """
        document = self.document(*pieces)
        self.require_valid(render(document), f"scenario {self.name}: nested Ignition config")
        return document

    def require_valid(self, text: str, subject: str) -> None:
        """Return if a whole config is valid; errors call it `subject`.

        Raises:
            InputError: `ignition-validate` refuses it.
        """
        inputs = self.inputs
        merged = {
            "--ignition": inputs.extra_ignition, "--bootstrap-ignition": inputs.bootstrap_ignition,
            "--live-ignition": inputs.live_ignition,
        }  # fmt: skip
        given = [option for option, config in merged.items() if config]
        others = f", or that of {' and '.join(given)}" if given else ""
        remedy = f"Correct the scenario's config{others}; report a bug if all is the harness's own."
        require_valid(text, self.folder, subject, remedy)

    def config_of(self, machine: str) -> Document:
        """Return the whole Ignition config of a machine, made once.

        Raises:
            InputError: the scenario cannot make it.
        """
        if machine not in self._configs:
            plan = self.scenario.plan_of(machine)
            where = f"scenario {self.name}, machine {machine}"
            with _errors_named(where), drawing(self.drawn):
                self._configs[machine] = plan.config(self)
        return self._configs[machine]

    def service(self, name: str, kind: type[_Value]) -> _Value:
        """Return what the service `name` yielded, a value of `kind`.

        Raises:
            InputError: the scenario has none of that name, lists it too late, or it yielded
                something else.
        """
        value = self._services.get(name)
        if isinstance(value, kind):
            return value
        listed = [service.name for service in self.scenario.services]
        if name not in listed:
            problem = f"has no service {name!r}"
            remedy = f"Add it to services; listed there: {', '.join(listed) or 'none'}."
        elif name not in self._services:
            problem = f"the service {name!r} is used before it starts"
            remedy = "Put it in services before the service that uses it."
        else:
            problem = f"the service {name!r} yields {type(value).__name__}, not {kind.__name__}"
            remedy = "Correct what its run yields, or the type in site.service."
        raise InputError(f"scenario {self.scenario.name}", problem, remedy)

    @property
    def services(self) -> Mapping[str, object]:
        """What the running services yielded, by name."""
        return self._services

    @property
    def machines(self) -> Mapping[str, Running]:
        """The machines that are switched on, by name."""
        return self._machines

    def endpoint_of(self, machine: Machine) -> Endpoint:
        """Return the address and the keys of a machine's sshd."""
        return Endpoint(
            address=LOOPBACK, port=machine.ssh_port,
            client_key=self.keys.client.private, host_key=self.keys.host.public,
        )  # fmt: skip

    @property
    def endpoints(self) -> dict[str, Endpoint]:
        """The addresses of all machines that run, by their names in reports."""
        running = (each for each in self._machines.values() if each.machine.is_running())
        return {each.evidence.folder.name: self.endpoint_of(each.machine) for each in running}

    def add_service(self, name: str, value: object, drew: Iterable[Drawing] = ()) -> None:
        """Add what a service yielded, and what it drew."""
        self._services[name] = value
        if any(what.startswith(PORT_OF) for what, _ in drew):
            self._listening.add(name)

    @property
    def asked_later(self) -> frozenset[str]:
        """The services that machines may ask after a checkpoint, at ports that their configs have.

        A pointer is followed at the first boot alone.
        """
        deliveries = [plan.delivery for plan in self.scenario.machines]
        first = {each.service for each in deliveries if isinstance(each, ByPointer)}
        return frozenset(self._listening - first)

    def add_machine(self, machine: Running) -> None:
        """Add a machine that was switched on."""
        self._machines[machine.name] = machine

    @property
    def segments(self) -> Mapping[str, Segment]:
        """The machines' ends of their links, by machine."""
        return self._segments


@contextmanager
def staged(
    scenario: Scenario,
    rig: Rig,
    inputs: Inputs,
    drawn: Drawn | None = None,
    saved: Mapping[str, Path] = _NOTHING,
) -> Iterator[Stage]:
    """Context manager that yields a scenario's site while its services run.

    What its configs have by chance is drawn from `drawn`. Services go on from their `saved` files.
    """
    with ExitStack() as stack:
        site = Stage(scenario, rig, inputs, drawn, saved)
        for service in scenario.services:
            with rig.awaiting(partial("{}: starting {}".format, scenario.name, service.name)):
                before = len(site.drawn.all)
                with drawing(site.drawn):
                    value = stack.enter_context(service.run(site))
                site.add_service(service.name, value, site.drawn.all[before:])
        yield site


@contextmanager
def _errors_named(where: str) -> Iterator[None]:
    """Context manager that adds to errors of a project's code the place that they come from."""
    try:
        yield
    except InputError as exc:
        if exc.subject.startswith("scenario "):
            raise
        raise InputError(f"{where}: {exc.subject}", exc.problem, exc.remedy) from exc
    except HarnessError:
        raise
    except Exception as exc:  # code of a project
        problem = f"its config ends with {type(exc).__name__}: {exc}"
        raise InputError(where, problem, "Correct the function `config` of the machine.") from exc


def new_segments(scenario: Scenario, rig: Rig) -> Mapping[str, Segment]:
    """Return new ends of all links of a scenario, by machine."""
    found: dict[str, Segment] = {}
    linked = [(plan.name, plan.link) for plan in scenario.machines if plan.link]
    for name in dict.fromkeys(link.name for _, link in linked):
        ends = [(machine, link) for machine, link in linked if link.name == name]
        sides = pair(rig.run.folder, *(machine for machine, _ in ends))
        for (machine, link), side in zip(ends, sides, strict=True):
            found[machine] = replace(side, is_only_way=link.is_only_way)
    return found
