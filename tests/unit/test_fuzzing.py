"""Some hostile inputs for each reader; `tox -e fuzz` tries hundreds of thousands."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType

import pytest
from fuzzing.saying import Escape, require_inert, said
from fuzzing.targets import TARGETS, Target
from hypothesis import HealthCheck, given, settings

from harness.model.errors import InputError

_QUICK = settings(
    max_examples=25, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_reader_raises_only_its_own_errors(target: Target, tmp_path: Path) -> None:
    @_QUICK
    @given(target.inputs)
    def try_one(given_input: object) -> None:
        with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            target.read(given_input, Path(folder))

    try_one()


def campaign(corpus: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "fuzzing.campaign", *words, "--corpus", str(corpus)]


TESTS = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{TESTS}:{TESTS / 'unit'}"}


def test_campaign_reports_its_figures(tmp_path: Path) -> None:
    done = subprocess.run(
        campaign(tmp_path, "short-text", "--seconds", "0.1"),
        capture_output=True, text=True, check=False, env=ENVIRONMENT,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout
    assert re.search(
        r"^all +[1-9]\d* cases +0 crashes +0 hangs +0 escapes +\d+ MiB$", done.stdout, re.MULTILINE
    )


def test_stopped_campaign_goes_on_where_it_was(tmp_path: Path) -> None:
    first = subprocess.Popen(
        campaign(tmp_path, "json", "words", "--seconds", "0.1"),
        stdout=subprocess.PIPE, text=True, env=ENVIRONMENT,
    )  # fmt: skip
    assert first.stdout is not None
    row = first.stdout.readline()
    first.send_signal(signal.SIGINT)
    rest, _ = first.communicate()

    second = subprocess.run(
        campaign(tmp_path, "json", "words", "--seconds", "0.1", "--resume"),
        capture_output=True, text=True, check=False, env=ENVIRONMENT,
    )  # fmt: skip

    assert first.returncode in (0, 130), rest
    assert second.returncode == 0
    if first.returncode == 130:
        assert "go on with --resume" in rest
        assert second.stdout.splitlines()[0] == row.rstrip("\n")
    assert not (tmp_path / "campaign.json").exists()


@pytest.mark.parametrize("text", ["\x1b[2J", "a\u202eb", "\ud800", "\x9b"])
def test_an_escape_is_one(text: str) -> None:
    with pytest.raises(Escape):
        require_inert(text)


def test_error_that_quotes_an_input_is_inert() -> None:
    with said():
        raise InputError("a\x1b[2J", "is \u202e", "Use \ud800.")


_DECODES = re.compile(
    r"json_value\(|msgspec\.(json\.)?(decode|convert)\(|tomllib|struct\.(Struct|unpack)|ElementTree"
    r"|expat|json\.loads\(|sqlite3|re\.compile\(.*shlex"
)
# Readers of what the harness itself wrote, or programs on the host, and those that have tests of
# their own with hostile input: the name says where.
_NOT_FUZZED = {
    "cluster/manifests.py": "our own manifests",
    "contract/reading/files.py": "our cache", "contract/reading/inspect.py": "our cache",
    "contract/streams/stream_document.py": "our own document",
    "images/acquire/cache.py": "our cache", "images/container/contents.py": "rpm on the host",
    "images/container/image_proxy.py": "skopeo; test_proxy.py",
    "images/container/skopeo.py": "skopeo; test_images_skopeo.py",
    "images/yum_repository.py": "our cache",
    "guest/validation.py": "a config that was parsed",
    "machine/acceleration.py": "our cache", "machine/connection.py": "libvirt",
    "machine/domain/domain.py": "libvirt", "machine/domain/element.py": "libvirt",
    "machine/domain/storage.py": "libvirt", "machine/forking/kept_files.py": "qemu-img",
    "machine/forking/saved.py": "our run folder", "machine/ownership/remains.py": "our run folder",
    "machine/forking/device_state.py": "QEMU; test_machine_forking.py",
    "player/playing/saved_node.py": "our checkpoints", "recording/artifacts.py": "test_way_out.py",
    "spawning/messages.py": "our own pipe", "spawning/owner.py": "our own pipe",
    "spawning/records.py": "our run folder", "lint/judging.py": "our fixture",
    "workplace/shared.py": "our run folder",
    "tables.py": "by targets `tables`", "report/history/durations.py": "by target `history`",
}  # fmt: skip


def test_each_reader_of_foreign_data_is_a_target_or_says_why_not() -> None:
    root = TESTS.parent / "harness"
    decoders = {
        str(path.relative_to(root)) for path in root.rglob("*.py")
        if _DECODES.search(path.read_text(encoding="utf-8")) and "standin" not in path.parts
    }  # fmt: skip
    used = {str(Path(file).relative_to(root)) for file in _files_of_targets(root)}

    assert decoders - used - {*_NOT_FUZZED} == set()
    assert {*_NOT_FUZZED} - {str(path.relative_to(root)) for path in root.rglob("*.py")} == set()


def _files_of_targets(root: Path) -> set[str]:
    """Return the files whose code runs for a few inputs of each target."""
    found: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(f"{root}/"):
            found.add(frame.f_code.co_filename)

    sys.setprofile(note)
    try:
        for target in TARGETS:
            _tried_once(target)
    finally:
        sys.setprofile(None)
    return found


def _tried_once(target: Target) -> None:
    @settings(_QUICK, max_examples=3)
    @given(target.inputs)
    def try_one(given_input: object) -> None:
        with tempfile.TemporaryDirectory() as folder:
            target.read(given_input, Path(folder))

    try_one()
