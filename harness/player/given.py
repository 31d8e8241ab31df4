"""What the steps of scenarios may depend on, known before anything is opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.guest.installers.live import LiveVariant
    from harness.guest.installers.variant import Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a scenario's steps may depend on.

    `has_control_plane`: the run has the parts of one. `installer` describes the installer's own
    bootstrap config, and `live` its config of a live system; None if the harness's is booted.
    """

    has_control_plane: bool = True
    installer: Variant | None = None
    live: LiveVariant | None = None

    @property
    def release(self) -> str:
        """The release that the installer's own config names, empty without one."""
        config = self.installer or self.live
        return config.release if config is not None else ""
