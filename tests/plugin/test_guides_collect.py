"""The projects that the guides show: pytest collects them, outside the checkout."""

from __future__ import annotations

import os

import pytest
from guides import files_of

pytest_plugins = ["pytester"]


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    for name in [name for name in os.environ if name.startswith("NODE_IMAGE_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(pytester.mkdir("cache")))
    return pytester


def collected(project: pytest.Pytester, guide: str, *options: str) -> list[str]:
    for name, text in files_of(guide).items():
        (project.path / name).write_text(text)
    result = project.runpytest_subprocess(
        "-p", "no:cacheprovider", "--collect-only", "-q", *options
    )
    assert result.ret == pytest.ExitCode.OK
    return [line for line in result.outlines if "::" in line]


def test_write_a_test(project: pytest.Pytester) -> None:
    listed = collected(project, "write-a-test.md", "--expectations=my-table.toml")

    assert listed == [
        "test_node.py::test_my_unit_runs[ipi_bootstrap]",
        "test_node.py::test_kernel_is_the_bootimages[ipi_bootstrap]",
        "test_node.py::test_package_comes_with_the_node_layer[ipi_bootstrap-openshift-clients]",
        "test_node.py::test_package_comes_with_the_node_layer[ipi_bootstrap-openshift-kubelet]",
        "test_node.py::test_my_tool_answers[ipi_bootstrap]",
        "test_rows.py::test_package[ipi_bootstrap-node-widget]",
        "test_rows.py::test_unit[ipi_bootstrap-node-widget.service]",
        "test_wait.py::test_my_file_appears[ipi_bootstrap]",
    ]


def test_write_a_scenario(project: pytest.Pytester) -> None:
    listed = collected(project, "write-a-scenario.md", "--scenario=widget_node")

    assert "test_widget.py::test_widget_runs[widget_node]" in listed
    assert "test_widget.py::test_package[widget_node-node-openshift-kubelet]" in listed
    assert "test_scenario.py::test_steps_make_sense" in listed


def test_write_a_rule(project: pytest.Pytester) -> None:
    (project.path / "test_it.py").write_text("def test_it(node_after): pass\n")

    assert collected(project, "write-a-rule.md") == ["test_it.py::test_it[ipi_bootstrap]"]
