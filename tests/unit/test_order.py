from __future__ import annotations

import pytest

from harness.lint.order import Part, before_node_layer


def part(runs: set[str] | None = None, **relations: tuple[str, ...]) -> Part:
    return Part(relations=relations, starts=set(), runs=runs or set())


def before(
    units: dict[str, Part],
    scripts: dict[str, Part] | None = None,
    linked: dict[str, set[str]] | None = None,
    *,
    overlay: bool = True,
) -> frozenset[str]:
    target = part(Requires=("node-image-overlay.service",))
    own = {"node-image-overlay.target": target, "node-image-overlay.service": part()}
    enabled = {"enabled.service"}
    return before_node_layer(
        {**(own if overlay else {}), **units}, scripts or {}, enabled, linked or {}
    )


def test_a_unit_that_is_not_enabled_is_not_pulled_in_by_its_install_section() -> None:
    units = {
        "enabled.service": part(WantedBy=("basic.target",)),
        "other.service": part(WantedBy=("basic.target",)),
    }

    assert {"enabled.service", "other.service"} & before(units) == {"enabled.service"}


def test_an_enabled_unit_enables_others_by_also() -> None:
    units = {
        "enabled.service": part(Also=("other.socket",)),
        "other.socket": part(WantedBy=("sockets.target",)),
        "other.service": part(),
    }

    assert {"other.socket", "other.service"} <= before(units)


def test_a_link_pulls_a_unit_in() -> None:
    linked = {"sysinit.target": {"early.service"}, "multi-user.target": {"late.service"}}

    found = before({"early.service": part(), "late.service": part()}, linked=linked)

    assert {"early.service", "late.service"} & found == {"early.service"}


@pytest.mark.parametrize(
    "path",
    ["/etc/systemd/system-generators/user", "/etc/NetworkManager/dispatcher.d/90-user"],
)
def test_scripts_that_the_system_runs_are_before_with_what_they_run(path: str) -> None:
    scripts = {path: part(runs={"/usr/local/bin/a"}), "/usr/local/bin/a": part()}

    assert {path, "/usr/local/bin/a"} <= before({}, scripts)


def test_scripts_that_nothing_runs_are_after() -> None:
    assert "/usr/local/bin/a" not in before({}, {"/usr/local/bin/a": part()})


def test_the_first_installers_overlay_counts_too() -> None:
    units = {
        "node-image-pivot.target": part(Requires=("node-image-pivot.service", "a.service")),
        "node-image-pivot.service": part(Before=("a.service",)),
        "a.service": part(),
    }

    found = before(units, overlay=False)

    assert {"node-image-pivot.service", "a.service"} & found == {"node-image-pivot.service"}


def test_in_any_other_config_all_is_before() -> None:
    units = {"a.service": part(), "b.service": part(After=("a.service",))}

    assert before(units, {"/usr/local/bin/a": part()}, overlay=False) == {
        "a.service", "b.service", "/usr/local/bin/a",
    }  # fmt: skip


def test_units_that_wait_for_each_other_end_the_search() -> None:
    units = {
        "a.service": part(Wants=("b.service",), After=("b.service",)),
        "b.service": part(Wants=("a.service",), After=("a.service",)),
        "enabled.service": part(WantedBy=("basic.target",), Wants=("a.service",)),
    }

    assert {"a.service", "b.service"} <= before(units)
