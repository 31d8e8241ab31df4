"""What `node-image spawn` orders from the process that owns the nodes."""

from __future__ import annotations

import msgspec


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """`arguments` are pytest's; what is empty was not asked for."""

    arguments: tuple[str, ...] = ()
    scenario: str = ""
    step: str = ""
    machine: str = ""
