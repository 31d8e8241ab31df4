"""`node-image stale` names the job that must run, by stand-in images and a repository."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from images_fakes import Web, served
from standin_images.images import write_base, write_node, write_release
from standin_images.recipe import Recipe, nevra
from test_yum_repository import element, primary, write

from harness.cli import main
from harness.model.packages.nevra import Nevra

RECIPE = Recipe.usual()
RHEL_10 = replace(RECIPE, base_version="10.2.20260328-0", stream="rhel-10")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["stale", *arguments])


def repository(folder: Path, *offers: Nevra) -> str:
    texts = (element(p.name, f"{p.version}-{p.release}", p.arch) for p in offers)
    return write(folder, primary(*texts))


def images(place: Path, recipes: Iterable[Recipe] = (RECIPE,)) -> list[str]:
    options = []
    for recipe in recipes:
        options += ["--base", write_base(place / f"base-{recipe.stream}", recipe)]
        options += ["--node", write_node(place / f"node-{recipe.stream}", recipe)]
    return options


def test_images_that_are_up_to_date_need_nothing(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo", *RECIPE.node_packages)

    done = run(*images(tmp_path), "--repo", repo)

    assert done.exit_code == 0
    assert f"rhel-9, {_go_arch()}: nothing to build" in done.output


def test_without_a_repository_the_report_says_what_is_not_judged(tmp_path: Path) -> None:
    assert "only the base image and the node image are compared" in run(*images(tmp_path)).output


@pytest.mark.parametrize(
    ("name", "option", "jobs"),
    [
        ("systemd", "--repo", ["base job", "node job"]),
        ("cri-o", "--repo", ["node job"]),
        ("systemd", "--node-repo", []),
        ("cri-o", "--base-repo", []),
    ],
)
def test_the_job_follows_from_the_package(
    name: str, option: str, jobs: list[str], tmp_path: Path
) -> None:
    repo = repository(tmp_path / "repo", nevra(name, "2.0"))

    done = run(*images(tmp_path), option, repo, "--output", "json")

    (part,) = json.loads(done.output)["parts"]
    assert part["jobs"] == jobs
    assert part["is_built_on_base"]
    assert [reason["newest"] for reason in part["reasons"]] == ["2.0-1.el9"] * bool(jobs)
    assert done.exit_code == bool(jobs)


def test_node_image_on_an_older_base_needs_a_node_job(tmp_path: Path) -> None:
    newer = replace(RECIPE, base_packages=RECIPE.base_packages | {nevra("bash", "9.9")})
    base = write_base(tmp_path / "base", newer)
    node = write_node(tmp_path / "node", RECIPE)

    done = run("--base", base, "--node", node)

    assert done.exit_code == 1
    assert ": node job\n" in done.output
    assert "is not built on this base image" in done.output


def test_each_stream_has_its_own_base_and_verdict(tmp_path: Path) -> None:
    newer = replace(RHEL_10, base_packages=RHEL_10.base_packages | {nevra("bash", "9.9")})
    bases = [write_base(tmp_path / "b9", RECIPE), write_base(tmp_path / "b10", newer)]
    nodes = [write_node(tmp_path / "n10", RHEL_10), write_node(tmp_path / "n9", RECIPE)]

    done = run(
        *(f"--base={each}" for each in bases), *(f"--node={each}" for each in nodes),
        "--output", "json",
    )  # fmt: skip

    parts = json.loads(done.output)["parts"]
    assert [(part["stream"], part["jobs"]) for part in parts] == [
        ("rhel-10", ["node job"]), ("rhel-9", []),
    ]  # fmt: skip


def test_a_release_with_another_image_is_named(tmp_path: Path) -> None:
    release = write_release(tmp_path / "r", "4.21.0", {"": RECIPE})

    done = run(*images(tmp_path), "--release", release)

    assert done.exit_code == 0
    assert "The release has another node image." in done.output


def test_unusable_input_has_its_status(tmp_path: Path) -> None:
    base_10 = write_base(tmp_path / "base10", RHEL_10)
    node = write_node(tmp_path / "node", RECIPE)

    other = run("--base", base_10, "--node", node)
    assert (other.exit_code, "no base image for RHEL 9" in other.output) == (2, True)
    twice = run("--base", base_10, "--base", base_10, "--node", node)
    assert twice.exit_code == 2
    nothing = run("--base", base_10)
    assert (nothing.exit_code, "Add --node or --release" in nothing.output) == (2, True)
    no_repo = run(*images(tmp_path), "--repo", str(tmp_path / "none"))
    assert (no_repo.exit_code, "no repository" in no_repo.output) == (2, True)
    no_release = run("--base", base_10, "--release", node)
    assert (no_release.exit_code, "not a release image" in no_release.output) == (2, True)


@pytest.mark.parametrize("option", ["--repo", "--base-repo", "--node-repo", "--arch"])
def test_an_empty_option_is_wrong_usage(option: str, tmp_path: Path) -> None:
    done = run(*images(tmp_path), option, "")

    assert (done.exit_code, f"{option}: is empty. " in done.output) == (2, True)


@pytest.mark.parametrize("option", ["--authfile", "--cert-dir"])
def test_credentials_that_are_missing_are_an_error_even_if_unused(
    option: str, tmp_path: Path
) -> None:
    missing = str(tmp_path / "missing")
    done = run(*images(tmp_path), option, missing)

    assert (done.exit_code, missing in done.output, option in done.output) == (2, True, True)


def _go_arch() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def test_no_secret_of_a_repository_is_printed(tmp_path: Path) -> None:
    repo = Path(repository(tmp_path / "repo", *RECIPE.node_packages))
    files = {f"/r/{each.relative_to(repo)}": each.read_bytes() for each in repo.rglob("*.*")}
    given = images(tmp_path)

    with served(Web(files)) as web:
        url = web.url.replace("//", "//me:SECRET@")
        shown = [
            run(*given, option, f"{url}/{path}", "--output", output)
            for option in ("--repo", "--node-repo")
            for path in ("r", "none")
            for output in ("table", "json", "markdown")
        ]

    assert [done.exit_code for done in shown] == [0, 0, 0, 2, 2, 2] * 2
    assert f'"{web.url}/r"' in shown[1].output
    assert "SECRET" not in "".join(done.output for done in shown)


def test_swapped_images_are_refused(tmp_path: Path) -> None:
    _, base, _, node = images(tmp_path)

    done = run("--base", node, "--node", base)

    assert done.exit_code == 2
    assert f"{node}: a node image, not a base image" in done.output


def test_a_layout_without_images_is_named(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text('{"schemaVersion": 2, "manifests": []}')

    for reference in (f"oci:{tmp_path}", f"oci:{tmp_path}:tag"):
        done = run("--base", reference, "--node", reference)

        assert done.exit_code == 2
        assert f"{reference}: the layout has no image. Copy an image" in done.output
