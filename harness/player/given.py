"""What the steps of scenarios may depend on, known before anything is opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.guest.installers.variant import Variant


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a scenario's steps may depend on.

    `has_control_plane`: the run has the parts of one. `installer` describes the installer's own
    config, None if the harness's config is booted.
    """

    has_control_plane: bool = True
    installer: Variant | None = None
