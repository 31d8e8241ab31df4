"""What the docs show is valid: Python compiles, TOML is read, commands have these options."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from docs_commands import ROOT, Checker
from guides import blocks_of, commands_of, options_of

from harness.diagnosis import allow, rules
from harness.verdict import expectations
from harness.workplace.option_table import OPTIONS

GENERATED = {"commands.md", "reference.md"}
PAGES = {path.name: path for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
WRITTEN = sorted(PAGES.keys() - GENERATED)
OTHERS_OPTIONS = {"--container-runtime", "--copy-network", "--quiet", "--strict"}
"""Options of programs that the docs name only in passing."""


@pytest.fixture
def checker(pytestconfig: pytest.Config) -> Checker:
    return Checker(pytestconfig._parser.parse_known_and_unknown_args)


def text_of(page: str) -> str:
    return PAGES[page].read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_python_compiles(page: str) -> None:
    for kind, body in blocks_of(text_of(page)):
        if kind == "python" and page not in GENERATED:
            compile(body, page, "exec")


@pytest.mark.parametrize("page", WRITTEN)
def test_toml_is_what_its_reader_accepts(page: str, tmp_path: Path) -> None:
    for number, (kind, body) in enumerate(blocks_of(text_of(page))):
        if kind == "toml":
            path = tmp_path / f"block-{number}.toml"
            path.write_text(body)
            read_toml(path)


def read_toml(path: Path) -> None:
    """Read a file of any kind that projects write."""
    found = tomllib.loads(path.read_text())
    if "rule" in found:
        rules.load([path])
    elif "allow" in found:
        allow.load(path, [rule.name for rule in rules.shipped().rules])
    elif {"title", "extends"} & found.keys():
        expectations.load(str(path))
    else:
        settings = found["tool"]["pytest"]["ini_options"]
        assert settings.keys() <= {option.setting for option in OPTIONS}


@pytest.mark.parametrize("page", WRITTEN)
def test_commands_have_these_options(page: str, checker: Checker) -> None:
    lines = commands_of(text_of(page))

    assert [(line, fault) for line in lines for fault in checker.faults(line)] == []


@pytest.mark.parametrize("page", WRITTEN)
def test_options_in_the_text_exist(page: str, checker: Checker) -> None:
    named = {*options_of(text_of(page))} - OTHERS_OPTIONS

    assert sorted(option for option in named if not checker.knows_option(option)) == []


def test_docs_have_examples_of_each_kind() -> None:
    kinds = [kind for page in PAGES for kind, _ in blocks_of(text_of(page))]
    lines = " ".join(line for page in WRITTEN for line in commands_of(text_of(page)))

    assert {"console", "python", "sh", "toml"} <= {*kinds}
    assert all(f"{program} " in lines for program in ("pytest", "tox", "node-image"))


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("pytest --scenari ipi_node", "pytest has no option --scenari"),
        ("pytest --scenario ipi_nod", "unknown scenario ipi_nod"),
        ("pytest --scenario ipi_node --until logn", "has no step logn"),
        ("pytest -q --hardware uefl", "unknown hardware: uefl"),
        ("pytest -q --bootimage", "expected one argument"),
        ("(cd x && tox -e bot)", "no environment bot"),
        ("tox -e boot -- --bootimge x  # a comment", "no option --bootimge"),
        ("python3 .ci/tox run -e host,boot -- --al", "unknown argument --al"),
        ("tox -e node-image -- docter", "No such command 'docter'"),
        ("tox rn -e boot", "no command rn"),
        ("tox boot", "no command boot"),
        ("tox --env boot", "without -e"),
        ("node-image diagnos console.txt", "No such command 'diagnos'"),
        ("node-image diagnose console.txt --rule x", "No such option"),
        ("node-image history x.db [--scenari NAME] [--json]", "No such option"),
        ("node-image compare old.json", "compare without NEW"),
        ("node-image doctor now", "doctor takes no argument now"),
    ],
)
def test_a_wrong_command_is_detected(line: str, fault: str, checker: Checker) -> None:
    assert fault in " ".join(checker.faults(line))


def test_a_page_with_a_wrong_word_is_detected(checker: Checker) -> None:
    page = (
        "Use `--scenrio`, or `node-image doctr --json`.\n\n    pytest --hardwre uefi\n\n"
        "  ```console\n  $ pytest \\\n      --bootimge x\n  ```\n"
    )

    faults = [fault for line in commands_of(page) for fault in checker.faults(line)]

    assert [fault.partition(".")[0] for fault in faults] == [
        "pytest has no option --bootimge", "pytest has no option --hardwre",
        "No such command 'doctr'",
    ]  # fmt: skip
    assert not any(map(checker.knows_option, options_of(page)))
