"""Released pairs of OpenShift and RHEL, and states of nodes that are made to their contract.

Sources: openshift/os packages-openshift.yaml of each release branch and its pull requests #1952,
#1955; coreos/rhel-coreos-config common.yaml; enhancement "/etc/os-release". Written out here and
not read from the tables, which they test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from node_states import AFTER, BEFORE

from harness.model.node_state import NodeState
from harness.model.packages.nevra import Nevra
from harness.model.units import UnitState
from harness.verdict.passage import Passage

COREOS_PACKAGES = (
    "afterburn", "bootc", "coreos-installer", "ignition", "ostree", "rpm-ostree", "rsync", "skopeo",
)  # fmt: skip
NODE_PACKAGES = (
    "conmon-rs", "cri-o", "cri-tools", "openshift-clients", "openshift-kubelet",
    "ose-aws-ecr-image-credential-provider", "ose-azure-acr-image-credential-provider",
    "ose-gcp-gcr-image-credential-provider",
)  # fmt: skip
OVS = "NetworkManager-ovs"
NODE_FILES = frozenset({"/usr/bin/oc", "/usr/bin/kubelet", "/usr/bin/crio"})
NODE_UNITS, UNITS = ("crio.service", "kubelet.service"), ("multi-user.target", "sshd.service")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A released node image, and the bootimage that it comes onto.

    `ovs_in_base` and `ovs_in_bootimage` say whether `NetworkManager-ovs` is of the CoreOS layer.
    """

    ocp: str
    base: str
    bootimage: str
    ovs_in_base: bool = False
    ovs_in_bootimage: bool = False
    is_okd: bool = False

    def __str__(self) -> str:
        return f"{'okd' if self.is_okd else 'ocp'}-{self.ocp}-on-{self.base}"

    @property
    def labels(self) -> dict[str, str]:
        """The labels of the node image, as they are on current ones."""
        osname = {"com.coreos.osname": "scos"} if self.is_okd else {}
        return {
            "cpe": f"cpe:/a:redhat:openshift:{self.ocp}::el{self.base.split('.')[0]}",
            "io.openshift.build.versions": f"machine-os={self.base}",
            "io.openshift.metalayer": "true",
            **osname,
        }

    @property
    def passage(self) -> Passage:
        """The way of a node from the bootimage to the node image."""
        return Passage(
            before=self._before, after=self._after, base_version=self.base, ocp=(self.ocp,)
        )

    @property
    def _before(self) -> NodeState:
        ovs = (OVS,) if self.ovs_in_bootimage else ()
        return replace(
            BEFORE, packages=_packages(*COREOS_PACKAGES, *ovs), units=_units(*UNITS),
            os_release=self._os_release(self.bootimage), existing_paths=frozenset(),
        )  # fmt: skip

    @property
    def _after(self) -> NodeState:
        fields = self._os_release(self.base)
        return replace(
            AFTER, packages=_packages(*COREOS_PACKAGES, *self._node_packages),
            units=_units(*UNITS, *NODE_UNITS),
            os_release={**fields, "OPENSHIFT_VERSION": self.ocp}, existing_paths=NODE_FILES,
        )  # fmt: skip

    @property
    def _node_packages(self) -> tuple[str, ...]:
        openvswitch = "openvswitch3.4" if self.ocp == "4.18" else "openvswitch3.5"
        crio_provider = () if self.ocp in ("4.18", "4.19", "4.20") else (
            "ose-crio-credential-provider",
        )  # fmt: skip
        return (*NODE_PACKAGES, OVS, openvswitch, *crio_provider)

    def _os_release(self, version: str) -> Mapping[str, str]:
        name = "CentOS Stream CoreOS" if self.is_okd else "Red Hat Enterprise Linux CoreOS"
        major, minor = version.split(".")[:2]
        codename = (
            "" if self.is_okd else {"9": " (Plow)", "10": " (Coughlan)"}.get(major, " (Next)")
        )
        return {
            "NAME": name,
            "ID": "centos" if self.is_okd else "rhel",
            "VERSION": version + codename,
            "VERSION_ID": major if self.is_okd else f"{major}.{minor}",
            "PRETTY_NAME": f"{name} {version}{codename}",
            "OSTREE_VERSION": version,
            "VARIANT": "CoreOS",
            "VARIANT_ID": "coreos",
        }


def _released(ocp: str, base: str, bootimage: str) -> Pair:
    return Pair(ocp=ocp, base=base, bootimage=bootimage)


PAIRS = (
    _released("4.18", "9.4.202409090849-0", "9.4.202409090849-0"),
    _released("4.19", "9.6.20250925-0", "9.6.20250402-0"),
    _released("4.20", "9.6.20260616-0", "9.6.20250402-0"),
    _released("4.21", "9.6.20260327-0", "9.6.20250402-0"),
    _released("4.21", "10.2.20260328-0", "10.2.20260301-0"),
    _released("4.22", "9.8.20260403-0", "9.6.20250402-0"),
    _released("4.22", "10.2.20260405-0", "10.2.20260405-0"),
    # NetworkManager-ovs came into the base on 2026-08-07; bootimages are older, or as new.
    *(
        Pair(ocp=ocp, base=base, bootimage=bootimage, ovs_in_base=True, ovs_in_bootimage=is_new)
        for ocp in ("4.22", "4.23", "5.0", "5.1")
        for base, bootimage, is_new in (
            ("9.8.20260817-0", "9.8.20260403-0", False),
            ("9.8.20260817-0", "9.8.20260815-0", True),
            ("10.2.20260901-0", "10.2.20260405-0", False),
            ("10.2.20260901-0", "10.2.20260901-0", True),
        )
    ),
    # A bootimage that is newer than the base of the node image.
    Pair(ocp="5.0", base="9.8.20260403-0", bootimage="9.8.20260901-0", ovs_in_bootimage=True),
    *(
        Pair(ocp=ocp, base=base, bootimage=base, is_okd=True)
        for ocp in ("4.19", "4.21", "5.1")
        for base in ("9.0.20250411-0", "10.0.20251103-0", "10.0.20260901-dev0")
    ),
)


def without_package(state: NodeState, name: str) -> NodeState:
    """Return a state in which a package is not installed."""
    return replace(
        state, packages={key: value for key, value in state.packages.items() if key != name}
    )


def with_package(state: NodeState, name: str) -> NodeState:
    """Return a state in which a package is installed as well."""
    return replace(state, packages={**state.packages, **_packages(name)})


def _packages(*names: str) -> dict[str, tuple[Nevra, ...]]:
    return {
        name: (Nevra(name=name, epoch=0, version="1", release="1", arch="x86_64"),)
        for name in names
    }


def _units(*names: str) -> dict[str, UnitState]:
    return {
        name: UnitState(
            name=name, load="loaded", active="active", sub="running", result="", restarts=0,
            exec_main_status=0,
        )
        for name in names
    }  # fmt: skip
