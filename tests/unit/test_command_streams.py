"""`node-image streams` shows what stream metadata has, and its status says whether it is right."""

from __future__ import annotations

import json
from collections import UserDict
from collections.abc import ItemsView
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from images_fakes import Web, served

from harness.cli import main
from harness.contract.streams.stream_document import document
from harness.folders import fixture
from harness.model.versions.coreos_stream import Marketplace, Offer

STREAMS = fixture("contract") / "streams"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["streams", *map(str, arguments)])


def test_a_table_by_architecture() -> None:
    done = run(STREAMS / "coreos-rhel-9.json")

    assert done.exit_code == 0
    assert "s390x         9.8.20260403-0  9      kubevirt metal qemu qemu-secex" in done.output
    assert done.output.endswith("0 errors, 0 warnings\n")


@pytest.mark.parametrize(
    ("names", "summary"),
    [(("x86_64", "aarch64", "s390x"), "0 errors, 1 warning"),
     (("x86_64", "aarch64", "odd"), "2 errors, 2 warnings")],
)  # fmt: skip
def test_findings_are_counted_in_words(
    names: tuple[str, ...], summary: str, tmp_path: Path
) -> None:
    found = json.loads((STREAMS / "coreos-rhel-9.json").read_text())["architectures"]
    text = json.dumps({"architectures": {name: found.get(name, {}) for name in names}})
    (tmp_path / "s.json").write_text(text)

    assert run(tmp_path / "s.json").output.splitlines()[-1] == summary


def test_file_counts_for_its_architecture_alone(tmp_path: Path) -> None:
    platform = {"release": "9.8.20260403-0", "formats": {"f": {"disk": {"location": "x"}}}}
    names = {name: {"artifacts": {"qemu": platform}} for name in ("a", "a/b")}
    (tmp_path / "s.json").write_text(json.dumps({"architectures": names}))

    parts = json.loads(run(tmp_path / "s.json", "--output", "json").output)["parts"]

    assert [(part["architecture"], part["files"]) for part in parts] == [("a", 1), ("a/b", 1)]


def test_each_architecture_is_read_a_fixed_number_of_times() -> None:
    def times_read(count: int) -> float:
        found = [Counted() for _ in range(count)]
        clouds = {f"a{number}": each for number, each in enumerate(found)}
        document("s", Marketplace(architectures=clouds))
        return sum(each.times for each in found) / count

    assert times_read(50) == times_read(1)


class Counted(UserDict[str, dict[str, dict[str, Offer]]]):
    """The clouds of an architecture, which count how often they were read."""

    times = 0

    def items(self) -> ItemsView[str, dict[str, dict[str, Offer]]]:
        self.times += 1
        return super().items()


def test_warnings_count_only_if_strict() -> None:
    path = STREAMS / "marketplace-coreos-rhel-9.json"

    assert run(path).exit_code == 0
    assert run(path, "--strict").exit_code == 1


@pytest.mark.parametrize("output", ["table", "json", "markdown"])
def test_an_error_is_the_status(output: str, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text((STREAMS / "coreos-rhel-9.json").read_text().replace('"sha256": "', '"x": "'))

    done = run(path, "--output", output)

    assert done.exit_code == 1
    assert "no sha256" in done.output
    if output == "json":
        assert json.loads(done.output)["findings"][0]["place"] == "aarch64/gcp/tar.gz/disk"


def test_urls_are_asked_online(tmp_path: Path) -> None:
    with served(Web({})) as web:
        found = json.loads((STREAMS / "coreos-rhel-9.json").read_text())
        found["architectures"] = {"s390x": found["architectures"]["s390x"]}
        disks = found["architectures"]["s390x"]["artifacts"]
        found["architectures"]["s390x"]["artifacts"] = {"qemu": disks["qemu"]}
        disk = disks["qemu"]["formats"]["qcow2.gz"]["disk"]
        disk["location"] = f"{web.url}/9.8.20260403-0/s390x"
        (tmp_path / "s.json").write_text(json.dumps(found))

        done = run(tmp_path / "s.json", "--online", "--output", "json")

    problems = [finding["problem"] for finding in json.loads(done.output)["findings"]]
    assert f"the server answered 404: {disk['location']}" in problems
    assert json.loads(done.output)["asked"] == 1


def test_metadata_may_be_a_url() -> None:
    with served(Web({"/s.json": (STREAMS / "fcos-39.json").read_bytes()})) as web:
        assert run(f"{web.url}/s.json").exit_code == 0
        missing = run(f"{web.url}/other.json")

    assert missing.exit_code == 2
    assert "the server does not have it" in missing.output


def test_other_files_are_unusable(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("<html>")

    assert run(tmp_path / "a").exit_code == 2
    assert "not JSON" in run(tmp_path / "a").output
    assert "cannot be read" in run(tmp_path / "none").output


@pytest.mark.parametrize("output", ["table", "json", "markdown"])
def test_no_secret_of_a_url_is_printed(output: str, tmp_path: Path) -> None:
    with served(Web({})) as web:
        url = f"{web.url.replace('//', '//me:SECRET@')}/SHOWN?sig=SECRET"
        disk = {"location": url, "signature": url, "sha256": url}
        images = {"aws": {"release": url, "regions": {"r": {"release": url, "image": url}}},
                  "c": {"release": url, "image": url, "digest-ref": url}}  # fmt: skip
        platform = {"release": url, "formats": {"f": {"disk": disk}}}
        architecture = {"artifacts": {"qemu": platform}, "images": images}
        text = json.dumps({"architectures": {"x86_64": architecture}})
        (tmp_path / "s.json").write_text(text)

        done = run(tmp_path / "s.json", "--online", "--output", output)

    assert done.exit_code == 1
    assert "SHOWN" in done.output
    assert "SECRET" not in done.output


@pytest.mark.parametrize("options", [[], ["--online"]])
def test_a_malformed_url_is_one_error(options: list[str], tmp_path: Path) -> None:
    disk = {"location": "https://h:99999/x86_64/9.8.20260403-0", "sha256": "0" * 64}
    platform = {"release": "9.8.20260403-0", "formats": {"f": {"disk": disk}}}
    text = json.dumps({"architectures": {"x86_64": {"artifacts": {"qemu": platform}}}})
    (tmp_path / "s.json").write_text(text)

    done = run(tmp_path / "s.json", *options)

    assert done.exit_code == 1
    assert done.output.count("a malformed URL with the port 99999") == 1


def test_metadata_at_a_malformed_url_is_unusable() -> None:
    done = run("http://127.0.0.1:99999/s.json")

    assert done.exit_code == 2
    assert "malformed URL" in done.output
