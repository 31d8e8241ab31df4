"""The input of a verdict: a node's states before and after the node layer, and its way there."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.node_state import NodeState
from harness.model.versions.version import Version, openshift_version, parsed
from harness.model.way import Way
from harness.verdict.scope import Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """How a node came from `before`, the booted bootimage, to `after`.

    `boots` counts the kernels that started, and `reboots` is how many more than one a bootimage
    with the node layer inside would need. `base_version` is the version that the node image names
    as its CoreOS base. Without it the booted image is taken for the base; real bootimages may be
    older than the base. `ocp` has the OpenShift versions that the node image claims. `digest` is
    the node image's, and `aliases` are others for it, as of the list that it is in. `taken` is the
    image that the node said to pull, empty if it said nothing; None is not judged.
    """

    before: NodeState
    after: NodeState
    way: Way = Way.LIVE_APPLY
    boots: int = 1
    reboots: int = 0
    base_version: str | None = None
    ocp: tuple[str, ...] = ()
    digest: str | None = None
    aliases: frozenset[str] = frozenset()
    taken: str | None = None

    @property
    def facts_before(self) -> Facts:
        """What the bare bootimage says of itself."""
        return Facts(base=_version(self.before), ocp=self.facts_after.ocp)

    @property
    def facts_after(self) -> Facts:
        """What the node image claims, and where it claims nothing, what the node says of itself."""
        said = self.after.os_release.get("OPENSHIFT_VERSION", "")
        own = openshift_version(said)
        base = parsed(self.base_version) or _version(self.after)
        return Facts(base=base, ocp=self.ocp or ((own,) if own else ()))


def _version(state: NodeState) -> Version | None:
    return parsed(state.os_release.get("OSTREE_VERSION"))
