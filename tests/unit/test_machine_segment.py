from __future__ import annotations

from pathlib import Path

import pytest

from harness.machine.domain.segment import pair
from harness.model.errors import InputError


def test_each_side_sends_where_the_other_listens(tmp_path: Path) -> None:
    first, second = pair(tmp_path, "one", "two")

    assert (first.local, first.remote) == (second.remote, second.local)
    assert first.local.parent.is_dir(), "QEMU makes the socket, not the folder"
    assert first.mac != second.mac
    assert first.backend == (
        f"dgram,local.type=unix,local.path={first.local}"
        f",remote.type=unix,remote.path={first.remote}"
    )


def test_links_of_one_run_share_nothing(tmp_path: Path) -> None:
    sides = (*pair(tmp_path, "one", "two"), *pair(tmp_path, "one", "two"))

    assert len({side.local for side in sides}) == 4
    assert len({side.mac for side in sides}) == 4


@pytest.mark.parametrize("name", ["x" * 108, "a,b"])
def test_a_path_that_no_socket_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="socket path"):
        pair(tmp_path, "one", name)
