"""The stand-in's release image program, built and run on this host."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cluster.release_payload import image_references
from harness.model.clock import Deadline
from harness.process import Completed, run

SOURCE = Path(__file__).parents[2] / "fixtures" / "standin" / "tools" / "release-image.go"
IMAGES = {"etcd": "h/etcd@sha256:1", "rhel-coreos": "h/node@sha256:2"}


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("tools") / "release-image"
    # Neither -trimpath nor -ldflags: they would compile the standard library anew.
    env = {"GO111MODULE": "off", "GOFLAGS": ""}
    run(["go", "build", "-o", target, SOURCE], Deadline.after(120), env=env)
    return target


def ask(program: Path, folder: Path, *words: str, text: str | None = None) -> Completed:
    references = folder / "image-references"
    references.write_text(image_references("4.19", IMAGES) if text is None else text)
    env = {"STAND_IN_REFERENCES": str(references)}
    return run([program, *words], Deadline.after(10), env=env, check=False)


def test_an_image_is_named_by_its_pull_spec_alone(program: Path, tmp_path: Path) -> None:
    printed = ask(program, tmp_path, "image", "rhel-coreos")

    assert (printed.status, printed.stdout) == (0, "h/node@sha256:2")


def test_all_images_are_listed(program: Path, tmp_path: Path) -> None:
    printed = ask(program, tmp_path, "images")

    assert printed.stdout == "etcd h/etcd@sha256:1\nrhel-coreos h/node@sha256:2\n"


@pytest.mark.parametrize(
    ("words", "text", "message"),
    [
        (("image", "pod"), None, 'error: error: "pod" not found'),
        (("start",), None, "knows `image TAG` and `images`"),
        ((), None, "knows `image TAG` and `images`"),
        (("image", "etcd"), "no json", "unable to load image-references"),
    ],
)
def test_what_is_not_there_is_an_error(
    words: tuple[str, ...], text: str | None, message: str, program: Path, tmp_path: Path
) -> None:
    printed = ask(program, tmp_path, *words, text=text)

    assert (printed.status, printed.stdout) == (1, "")
    assert message in printed.stderr
