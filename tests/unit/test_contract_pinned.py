"""An image that is named by its digest is asked for once; then the cache answers for ever."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from images_fakes import deadline, tar_of, write_layout

from harness.contract.inspection import Depth
from harness.contract.reading import inspect as reading
from harness.contract.reading.access import Access
from harness.contract.reading.image_reader import ImageReader, open_image
from harness.images.acquire.cache import Cache
from harness.model.clock import Deadline


def test_an_image_by_its_digest_is_opened_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = tmp_path / "layout"
    digest = write_layout(layout, [tar_of({"etc/motd": b"a"})], {"a": "b"})["digest"]
    opened = []

    @contextmanager
    def registry(subject: str, access: Access, limit: Deadline) -> Iterator[ImageReader]:
        opened.append(subject)
        with open_image(f"oci:{layout}:t", access, limit) as reader:
            yield reader

    monkeypatch.setattr(reading, "open_image", registry)
    subject = f"docker://registry.example/a@{digest}"
    with Cache(tmp_path / "cache") as cache:
        access = Access(arch="x86_64", cache=cache)
        for _ in range(2):
            found = reading.inspect(subject, Depth.QUICK, access, deadline())
            assert (found.subject, found.labels) == (subject, {"a": "b"})

    assert opened == [subject]
