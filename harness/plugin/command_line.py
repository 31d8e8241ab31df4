"""The plugin's options on pytest's command line and in its settings files."""

from __future__ import annotations

import pytest

from harness.workplace.option_table import OPTIONS


def declare(parser: pytest.Parser) -> None:
    """Add every option to pytest's command line and settings."""
    group = parser.getgroup("node-image", "node image: boot, live-apply and check")
    for option in OPTIONS:
        text = f"{option.help} [{option.variable}, {option.setting}]"
        kind: dict[str, str] = {"action": "store_true"}
        if option.metavar:
            action = "append" if option.repeatable else "store"
            kind = {"action": action, "metavar": option.metavar}
        group.addoption(option.flag, dest=option.setting, default=None, help=text, **kind)
        several = "; separate values by commas or line ends" if option.repeatable else ""
        parser.addini(option.setting, f"Same as {option.flag}{several}", type="string", default="")
