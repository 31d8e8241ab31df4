"""How long a guest's units may try, in one table."""

from __future__ import annotations

from dataclasses import dataclass, replace

MARGIN_S = 60.0
"""How much later than a script's own limit systemd ends it."""
_LEAST_BYTES_PER_S = 1_000_000
"""The packed bytes that a pull has a second for. In emulation it has several seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The seconds that each part in the guest may take; the installer's own loops have no limit.

    The values are for hardware acceleration; the player stretches them.
    """

    network_s: float = 30.0
    pull_s: float = 600.0
    step_s: float = 60.0
    release_s: float = 300.0
    ready_s: float = 300.0
    in_place_s: float = 900.0
    install_s: float = 300.0
    tries: int = 3
    pause_s: float = 5.0

    @property
    def live_apply_s(self) -> float:
        """The longest time until live-apply, or a pivot's deployment, succeeds or fails."""
        return self.pull_s + 3 * self.step_s

    @property
    def control_plane_s(self) -> float:
        """The longest time from multi-user.target until the API is ready or its start failed."""
        return self.release_s + 2 * self.ready_s

    @property
    def install_end_s(self) -> float:
        """The longest time from the start of an install until its end is reported."""
        return self.install_s + MARGIN_S

    def of_image(self, size_bytes: int) -> Limits:
        """Return the limits for the pull of an image that packs to `size_bytes`."""
        return replace(self, pull_s=max(self.pull_s, size_bytes / _LEAST_BYTES_PER_S))

    def scaled(self, factor: float) -> Limits:
        """Return the limits for a guest that is slower by `factor`; pauses and tries stay."""
        return replace(
            self,
            network_s=self.network_s * factor,
            pull_s=self.pull_s * factor,
            step_s=self.step_s * factor,
            release_s=self.release_s * factor,
            ready_s=self.ready_s * factor,
            in_place_s=self.in_place_s * factor,
            install_s=self.install_s * factor,
        )


LIMITS = Limits()
"""The limits with hardware acceleration."""
