"""Addresses of host and guest in QEMU's user-mode network.

Source: qemu(1), -netdev user (its default network).
"""

from __future__ import annotations

LOOPBACK = "127.0.0.1"
"""Guests reach servers here on the host, and nobody else from outside does."""
HOST_IN_GUEST = "10.0.2.2"
"""The host's loopback as guests see it."""
GUEST = "10.0.2.15"
"""A guest's own address."""
