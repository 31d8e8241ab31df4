from __future__ import annotations

from pathlib import Path

import pytest
from machine_fakes import fake_qemu_img, soon

from harness.machine.disk import create_blank, create_overlay
from harness.model.errors import InputError


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    fake_qemu_img(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    image = tmp_path / "base.raw"
    image.touch()
    return image


def test_overlay_names_its_base_and_the_bases_format(base: Path, tmp_path: Path) -> None:
    overlay = create_overlay(base, "raw", tmp_path, deadline=soon(), min_free_bytes=0)

    arguments = overlay.read_text().split()
    assert arguments[:4] == ["create", "-q", "-f", "qcow2"]
    assert arguments[4:] == ["-F", "raw", "-b", str(base), str(overlay)]


def test_overlay_grows_to_the_size_asked_for(base: Path, tmp_path: Path) -> None:
    overlay = create_overlay(
        base, "raw", tmp_path, deadline=soon(), size_bytes=10 * 1024**3, min_free_bytes=0
    )

    assert overlay.read_text().split()[-1] == str(10 * 1024**3)


@pytest.mark.usefixtures("base")
def test_a_blank_disk_has_the_size_asked_for_and_no_base(tmp_path: Path) -> None:
    disk = create_blank(tmp_path, 20 * 1024**3, soon(), min_free_bytes=0)

    arguments = disk.read_text().split()
    assert arguments == ["create", "-q", "-f", "qcow2", str(disk), str(20 * 1024**3)]


def test_a_full_file_system_is_refused_with_the_figures(base: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        create_overlay(base, "raw", tmp_path, deadline=soon(), min_free_bytes=1024**5)

    assert caught.value.subject == str(tmp_path)
    assert "no space for a disk" in caught.value.problem
    assert "1048576.0 GiB needed" in caught.value.problem
    assert not (tmp_path / "overlay.qcow2").exists()
