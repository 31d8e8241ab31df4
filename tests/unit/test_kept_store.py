"""The store of kept checkpoints: whole or not there, private, bounded, shared by runs."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kept_fakes import DRAWN, keep, origin, part, qemu_img
from machine_fakes import FakeClock, soon
from test_machine_key import DOMAIN

from harness.machine.forking import kept_files
from harness.machine.forking.kept import METADATA, Kept, key_of, read
from harness.machine.forking.kept_files import opened
from harness.machine.forking.key import FORMAT
from harness.machine.forking.saved import DamagedError
from harness.machine.forking.store import Store
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, InputError
from harness.model.secret import Secret

UNIT = Path(__file__).parent


@pytest.fixture(autouse=True)
def _with_qemu_img(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    qemu_img(programs)
    monkeypatch.setenv("PATH", str(programs), prepend=":")


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def store(tmp_path: Path, lines: list[str]) -> Iterator[Store]:
    with Store(tmp_path / "checkpoints", lines.append) as found:
        yield found


def names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.name != "lock")


def test_a_kept_checkpoint_is_found_by_the_next_run(tmp_path: Path, store: Store) -> None:
    kept = keep(store, tmp_path / "run")

    with Store(store.root) as other:
        (found,) = other.entries()
        assert other.take(found)

    assert found == kept
    assert found.drawn == DRAWN
    assert found.key == key_of({"node": origin()})
    assert found.machines["node"].notes == {"boots": 1}
    assert found.machines["node"].base_format == "raw"


def test_its_files_are_private(tmp_path: Path, store: Store) -> None:
    kept = keep(store, tmp_path / "run")

    folders = (store.root, kept.folder)
    assert {path.stat().st_mode & 0o777 for path in folders} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in kept.folder.iterdir()} == {0o600}
    assert "BEGIN KEY" not in repr(kept)


def test_it_does_not_need_the_run_that_made_it(tmp_path: Path, store: Store) -> None:
    kept = keep(store, tmp_path / "run")
    for path in (tmp_path / "run").iterdir():
        path.unlink()

    assert store.take(kept)
    saved = opened(
        kept, "node", domain=DOMAIN, base=tmp_path / "base", folder=tmp_path / "next/node",
        deadline=soon(),
    )  # fmt: skip
    saved.require_usable(origin().key)
    assert saved.ram.read_bytes() == b"memory"
    assert saved.disk.path.read_bytes() == b"disk"
    assert (saved.folder / "base").readlink() == tmp_path / "base"


@pytest.mark.parametrize("name", ["node.ram", "node.state", "node.disk0", METADATA])
@pytest.mark.parametrize("damage", ["cut", "flipped", "removed", "longer"])
def test_a_damaged_one_is_dropped_with_one_line(
    tmp_path: Path, store: Store, lines: list[str], name: str, damage: str
) -> None:
    kept = keep(store, tmp_path / "run")
    path = kept.folder / name
    content = path.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    changed = {"cut": content[:middle], "flipped": flipped, "longer": content + b"!"}
    path.unlink()
    if damage in changed:
        path.write_bytes(changed[damage])

    found = [each for each in store.entries() if store.take(each)]

    assert found == []
    (line,) = lines
    assert line.startswith(f"kept checkpoint {kept.folder.name} is dropped: ")
    assert names(store.root) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_no_byte_of_the_metadata_can_change(
    tmp_path: Path, store: Store, place: float, change: int
) -> None:
    (kept,) = store.entries() or (keep(store, tmp_path / "run"),)
    path = kept.folder / METADATA
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[int(place * len(whole))] ^= change
    path.write_bytes(changed)

    try:
        # Blanks between values mean nothing.
        assert read(kept.folder) == kept
    except DamagedError:
        pass
    finally:
        path.write_bytes(whole)


def test_metadata_that_leads_out_of_its_folder_is_damaged(tmp_path: Path, store: Store) -> None:
    kept = keep(store, tmp_path / "run")
    (machine,) = kept.machines.values()
    (kept.folder / METADATA).unlink()
    bad = replace(
        kept, machines={"node": replace(machine, ram="../../ram")},
        files={("../../ram" if name == "node.ram" else name): f for name, f in kept.files.items()},
    )  # fmt: skip
    bad.write()

    with pytest.raises(DamagedError, match="metadata is damaged"):
        read(kept.folder)


def of_another_format(store: Store, run: Path) -> Kept:
    """Keep a checkpoint as another version of the harness does, which sums it up differently."""
    kept = keep(store, run, origin("other"))
    path = kept.folder / METADATA
    document = json.loads(path.read_text())
    document["checkpoint"]["format"] = FORMAT + 1
    path.write_text(json.dumps(document))
    return kept


def test_one_of_another_format_stays_for_the_version_that_made_it(
    tmp_path: Path, store: Store, lines: list[str]
) -> None:
    other = of_another_format(store, tmp_path / "other")
    mine = keep(store, tmp_path / "run")

    assert store.entries() == (mine,)
    assert store.expire() == ()
    assert other.folder.exists()
    assert lines == []


def test_one_of_another_format_expires_by_the_time_of_its_metadata(
    tmp_path: Path, store: Store
) -> None:
    other = of_another_format(store, tmp_path / "other")
    os.utime(other.folder / METADATA, (0, 0))

    assert store.expire() == (str(other.folder),)


def test_one_of_another_format_counts_for_the_cap(tmp_path: Path) -> None:
    root = tmp_path / "checkpoints"
    other = of_another_format(Store(root), tmp_path / "other")

    assert Store(root, cap_bytes=0).expire() == (str(other.folder),)


def test_nothing_that_is_not_text_was_drawn(tmp_path: Path, store: Store) -> None:
    kept = keep(store, tmp_path / "run")
    (kept.folder / METADATA).unlink()
    replace(kept, drawn=(("port", Secret(5000)),)).write()  # type: ignore[arg-type]  # as in a file

    with pytest.raises(DamagedError, match="metadata is damaged"):
        read(kept.folder)


def test_the_deadline_bounds_the_copying(tmp_path: Path, store: Store) -> None:
    clock = FakeClock()
    deadline = Deadline.after(1.0, clock)
    clock.now = 2.0
    found = {"node": part(tmp_path / "run", origin())}

    with pytest.raises(DeadlineError, match="timed out after 1 s"):
        store.keep("ipi_bootstrap", "applied", found, DRAWN, deadline)
    assert names(store.root) == []


def test_the_first_of_two_with_one_key_stays(tmp_path: Path, store: Store) -> None:
    first = keep(store, tmp_path / "run", memory=b"first")
    second = keep(store, tmp_path / "other", memory=b"second")

    assert second.folder == first.folder
    assert (first.folder / "node.ram").read_bytes() == b"first"
    assert names(store.root) == [first.folder.name]


def test_an_expired_one_is_not_found_and_goes(tmp_path: Path) -> None:
    root = tmp_path / "checkpoints"
    kept = keep(Store(root), tmp_path / "run")
    late = Store(root, max_age_s=-1)

    assert late.entries() == ()
    assert late.expire() == (str(kept.folder),)
    assert names(root) == []


def test_one_from_the_future_has_expired(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_files, "utc_now", lambda: "2199-01-01T00:00:00+00:00")
    keep(store, tmp_path / "run")

    assert store.entries() == ()


def test_above_the_cap_the_least_recently_used_goes(tmp_path: Path) -> None:
    root = tmp_path / "checkpoints"
    kept = [
        keep(Store(root), tmp_path / "run", origin(node=str(number)), os.urandom(1 << 16))
        for number in range(3)
    ]
    for used_at, each in enumerate((kept[1], kept[0], kept[2])):
        os.utime(each.folder, (used_at, used_at))
    size = sum(path.stat().st_blocks * 512 for path in kept[0].folder.iterdir())

    Store(root, cap_bytes=2 * size + (1 << 13)).expire()

    assert names(root) == sorted(each.folder.name for each in (kept[0], kept[2]))


def test_one_in_use_by_another_run_is_neither_expired_nor_cleared(tmp_path: Path) -> None:
    root = tmp_path / "checkpoints"
    kept = keep(Store(root), tmp_path / "run")
    with Store(root) as user:
        assert user.take(kept)
        Store(root, cap_bytes=0, max_age_s=-1).expire()
        assert Store(root).clear() == ()
        assert names(root) == [kept.folder.name]

    assert Store(root).clear() == (str(kept.folder),)
    assert names(root) == []


def test_one_above_the_cap_by_itself_is_not_said_to_be_kept(tmp_path: Path) -> None:
    store = Store(tmp_path / "checkpoints", cap_bytes=0)

    with pytest.raises(InputError, match="no room for one more in the 0 MiB for all"):
        keep(store, tmp_path / "run")

    assert names(store.root) == []


def test_an_expired_one_in_use_is_not_said_to_be_kept_again(tmp_path: Path) -> None:
    root = tmp_path / "checkpoints"
    kept = keep(Store(root), tmp_path / "run")
    with Store(root) as user:
        assert user.take(kept)
        with pytest.raises(InputError, match="has expired, and another run uses it"):
            keep(Store(root, max_age_s=-1), tmp_path / "other")

    assert names(root) == [kept.folder.name]


def test_one_that_is_removed_between_look_and_use_is_not_used(tmp_path: Path, store: Store) -> None:
    kept = keep(store, tmp_path / "run")
    Store(store.root).clear()

    assert not store.take(kept)


def test_two_runs_use_one_at_once(tmp_path: Path, store: Store) -> None:
    kept = keep(store, tmp_path / "run")
    with Store(store.root) as other:
        assert store.take(kept)
        assert other.take(kept)


def test_a_full_disk_leaves_nothing(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_source: Path, target: Path, _: Deadline) -> None:
        target.write_bytes(b"mem")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(kept_files, "copy_sparse", full)

    with pytest.raises(InputError, match=r"cannot be written: No space left.*Free disk space"):
        keep(store, tmp_path / "run")
    assert names(store.root) == []


def test_a_store_that_others_can_read_is_refused(tmp_path: Path, store: Store) -> None:
    store.root.mkdir(mode=0o755)

    with pytest.raises(InputError, match="not a folder of this user with mode 0700"):
        keep(store, tmp_path / "run")


def test_nothing_is_used_of_a_store_that_others_can_write(tmp_path: Path, store: Store) -> None:
    keep(store, tmp_path / "run")
    store.root.chmod(0o770)

    assert store.entries() == ()


def test_a_store_that_does_not_exist_is_empty(store: Store) -> None:
    assert store.entries() == ()
    assert store.clear() == ()
    assert store.expire() == ()


def test_memory_is_copied_if_qemu_could_not_open_it_for_writing(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = keep(store, tmp_path / "run")
    # Root may write whatever the mode says.
    monkeypatch.setattr(os, "access", lambda *_: False)

    saved = opened(
        kept, "node", domain=DOMAIN, base=None, folder=tmp_path / "next", deadline=soon()
    )

    assert not saved.ram.is_symlink()
    assert saved.ram.read_bytes() == b"memory"


KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, {unit!r})
from harness.machine.forking import kept, kept_files
from harness.machine.forking.store import Store
from kept_fakes import keep
def stop(*_):
    print("here", flush=True)
    sys.stdin.read()
{patch}
keep(Store(Path({root!r})), Path({run!r}))
stop()
"""
MOMENTS = {
    "in-the-copy": "kept_files.copy_sparse = stop",
    "before-the-metadata": "kept.Kept.write = stop",
    "before-its-name": "Store._named = stop",
    "in-the-expiry": "Store.expire = stop",
    "at-the-end": "",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_a_killed_run_leaves_counts_only_if_it_is_whole(
    tmp_path: Path, store: Store, lines: list[str], moment: str
) -> None:
    program = KILLED.format(
        unit=str(UNIT), root=str(store.root), run=str(tmp_path / "killed"), patch=MOMENTS[moment]
    )
    with subprocess.Popen(
        (sys.executable, "-c", program), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"here\n"
        child.send_signal(signal.SIGKILL)

    is_named = moment in ("in-the-expiry", "at-the-end")
    assert [store.take(kept) for kept in store.entries()] == [True] * is_named
    mine = keep(store, tmp_path / "run")
    assert names(store.root) == [mine.folder.name]
    assert lines == []


USED = """
import sys
from pathlib import Path
sys.path.insert(0, {unit!r})
from harness.machine.forking.store import Store
store = Store(Path({root!r}))
(kept,) = store.entries()
assert store.take(kept)
print("here", flush=True)
sys.stdin.read()
"""


def test_a_run_that_is_killed_while_it_uses_one_releases_it(tmp_path: Path, store: Store) -> None:
    kept = keep(store, tmp_path / "run")
    program = USED.format(unit=str(UNIT), root=str(store.root))
    with subprocess.Popen(
        (sys.executable, "-c", program), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"here\n"
        assert store.clear() == ()
        child.send_signal(signal.SIGKILL)

    assert store.clear() == (str(kept.folder),)


AT_ONCE = """
import random, sys
from pathlib import Path
sys.path.insert(0, {unit!r})
from harness.machine.forking.store import Store
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, InputError
from harness.model.secret import Secret
from kept_fakes import keep, origin
lines = []
for number in range(12):
    with Store(Path({root!r}), lines.append, cap_bytes=1 << 15) as store:
        step = str(random.randrange(3))
        try:
            keep(store, Path({run!r}) / str(number), origin(node=step), step.encode() * 5000)
        except InputError as exc:  # the other runs use all that is kept
            assert "no room for one more" in str(exc), exc
        for kept in store.entries():
            if store.take(kept):
                name = kept.machines["node"].origin.images["node"]
                assert (kept.folder / "node.ram").read_bytes() == name.encode() * 5000
print(lines)
"""


def test_runs_that_keep_use_and_expire_at_once_find_whole_ones_only(
    tmp_path: Path, store: Store
) -> None:
    children = [
        subprocess.Popen(
            (
                sys.executable, "-c",
                AT_ONCE.format(unit=str(UNIT), root=str(store.root), run=str(tmp_path / str(n))),
            ),
            stdout=subprocess.PIPE,
        )
        for n in range(3)
    ]  # fmt: skip

    assert [child.communicate()[0] for child in children] == [b"[]\n"] * 3
    assert [child.returncode for child in children] == [0] * 3


def test_the_key_is_of_all_machines_by_their_names() -> None:
    one, other = origin(), origin("login")

    assert key_of({"a": one, "b": other}) == key_of({"b": other, "a": one})
    assert key_of({"a": one, "b": other}) != key_of({"a": other, "b": one})
    assert key_of({"a": one}) != key_of({"a": one, "b": other})


def test_the_metadata_is_json_with_a_sum(tmp_path: Path, store: Store) -> None:
    kept = keep(store, tmp_path / "run")

    document = json.loads((kept.folder / METADATA).read_text())

    assert document.keys() == {"sha256", "checkpoint"}
    assert document["checkpoint"]["files"].keys() == {"node.ram", "node.state", "node.disk0"}
