from __future__ import annotations

from pathlib import Path

import pytest
from machine_fakes import make_run

from harness.machine.connection import open_connection
from harness.model.errors import InputError


def test_a_folder_too_deep_for_sockets_is_told_before_libvirt_fails(tmp_path: Path) -> None:
    run = make_run(tmp_path / ("deep" * 20))

    with pytest.raises(InputError) as caught, open_connection("qemu:///embed", run):
        pass

    assert caught.value.subject == str(run.folder)
    assert "TMPDIR" in caught.value.remedy
    assert not (run.folder / "libvirt").exists()
