"""Addresses in QEMU's user-mode network, by which host and guest know each other.

Source: qemu(1), -netdev user (its default network).
"""

from __future__ import annotations

LOOPBACK = "127.0.0.1"
"""What listens here on the host can be reached by guests, and by nobody else from outside."""
HOST_IN_GUEST = "10.0.2.2"
"""The host's loopback as guests see it."""
GUEST = "10.0.2.15"
"""A guest's own address."""
