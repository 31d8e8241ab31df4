"""Both stand-in images hold together: links lead somewhere, units find their units and programs.

No machine is booted. An image is walked as it is squashed, without the harness's own reader.
"""

from __future__ import annotations

import json
import posixpath
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.model.clock import Deadline
from harness.standin import build

_UNITS = ("/usr/lib/systemd/system", "/usr/lib/systemd/user")
_UNIT_FILE = re.compile(r"/usr/lib/systemd/(system|user)/.*\.(service|socket|target|timer|path)")
_REQUIRED = re.compile(r"^(?:Requires|Requisite|BindsTo)=(.*)$", re.MULTILINE)
_PROGRAM = re.compile(r"^Exec\w+=[@:+!]*(/\S+)", re.MULTILINE)
# Made at run time by generators and the kernel, or built into systemd.
_MADE_LATER = re.compile(r".*\.(device|mount|swap|slice)")
# Filled when the system runs: the API's file systems, and what lies in /var.
_FILLED_LATER = re.compile(r"/(dev|proc|run|sys|sysroot|var)(/.*)?")
_MAX_LINKS = 40


@dataclass(slots=True)
class Image:
    """An image's files by path: the target of a link, or None; and the text of its units."""

    nodes: dict[str, str | None] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)

    def lay(self, layer: tarfile.TarFile) -> None:
        for member in layer:
            path = posixpath.normpath("/" + member.name)
            folder, name = posixpath.split(path)
            if name.startswith(".wh."):
                self.nodes.pop(posixpath.join(folder, name.removeprefix(".wh.")), None)
                continue
            self.nodes[path] = member.linkname if member.issym() else None
            if (
                member.isreg()
                and _UNIT_FILE.fullmatch(path)
                and (file := layer.extractfile(member))
            ):
                self.units[path] = file.read().decode()

    def resolved(self, path: str) -> str | None:
        """Return the path without links in it; None if nothing is there."""
        here, left, followed = "/", path.strip("/").split("/"), 0
        while left:
            here = posixpath.normpath(posixpath.join(here, left.pop(0)))
            if _FILLED_LATER.fullmatch(here):
                return here
            if here != "/" and here not in self.nodes:
                return None
            if target := self.nodes.get(here):
                followed += 1
                left = target.strip("/").split("/") + left
                here = "/" if target.startswith("/") else posixpath.dirname(here)
                if followed > _MAX_LINKS:
                    return None
        return here

    def has_unit(self, name: str) -> bool:
        names = (name, re.sub(r"@.*\.", "@.", name))
        return any(self.resolved(f"{folder}/{one}") for folder in _UNITS for one in names)

    def dangling(self) -> Iterator[str]:
        for path, target in self.nodes.items():
            if target and self.resolved(path) is None:
                yield f"{path} -> {target}"

    def unknown_units(self) -> Iterator[str]:
        for path, text in self.units.items():
            for name in " ".join(_REQUIRED.findall(text)).split():
                if not ("%" in name or _MADE_LATER.fullmatch(name) or self.has_unit(name)):
                    yield f"{path} requires {name}"

    def absent_programs(self) -> Iterator[str]:
        for path, text in self.units.items():
            for program in _PROGRAM.findall(text):
                is_asked_first = re.search(
                    rf"^Condition\w+={re.escape(program)}$", text, re.MULTILINE
                )
                if not is_asked_first and self.resolved(program) is None:
                    yield f"{path} runs {program}"


@pytest.fixture(scope="module", params=["base", "node"])
def image(request: pytest.FixtureRequest) -> Image:
    layout = build.ensure(Deadline.after(build.LIMIT_S), lambda _: None).folder / request.param
    (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
    whole = Image()
    for layer in json.loads(_blob(layout, entry["digest"]).read_text())["layers"]:
        with tarfile.open(_blob(layout, layer["digest"])) as members:
            whole.lay(members)
    return whole


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/")


def test_no_link_leads_nowhere(image: Image) -> None:
    assert sorted(image.dangling()) == []


def test_units_require_only_units_of_the_image(image: Image) -> None:
    assert sorted(image.unknown_units()) == []


def test_units_run_only_programs_of_the_image(image: Image) -> None:
    assert sorted(image.absent_programs()) == []


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        pytest.param("/bin/sh", "/usr/bin/bash", id="shell"),
        pytest.param(
            "/usr/lib/systemd/system/sshd.service", "/usr/lib/systemd/system/sshd.service",
            id="sshd",
        ),
    ],
)  # fmt: skip
def test_what_scripts_name_is_what_rhel_has(image: Image, path: str, leads_to: str) -> None:
    assert image.resolved(path) == leads_to


def test_kernel_has_its_configuration_beside_it(image: Image) -> None:
    kernels = [posixpath.dirname(path) for path in image.nodes if path.endswith("/vmlinuz")]

    assert [image.resolved(f"{kernel}/config") for kernel in kernels] == [
        f"{kernel}/config" for kernel in kernels
    ]
    assert kernels
