"""Options are read from three places in one order, each fault named with its place."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import pytest

from harness.images.acquire.cache import DEFAULT_CAP_BYTES
from harness.machine.driver import EMBEDDED
from harness.model.errors import InputError
from harness.player.plan import FAT, LIVE_ISO
from harness.workplace.option_table import OPTIONS
from harness.workplace.options import Checkpoints, Settings, read, require_bootable

FOLDER = Path("/project")
BOTH = {"node_image_bootimage": "b.qcow2", "node_image_node_image": "oci:n"}


def settings(
    command_line: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    file: Mapping[str, str] | None = None,
) -> Settings:
    return read(command_line or {}, environment or {}, file or {}, FOLDER)


def test_nothing_given_means_the_stand_in_and_the_defaults_of_the_rooms() -> None:
    found = settings()

    assert found.is_stand_in
    assert found.scenarios == ("ipi_bootstrap",)
    assert found.libvirt_uri == EMBEDDED
    assert found.download_cache_bytes == DEFAULT_CAP_BYTES
    assert found.timeout_factor == 1.0
    assert not found.require_kvm


@pytest.mark.parametrize(
    ("command_line", "environment", "expected"),
    [(["c"], "e", "c"), (None, "e", "e"), (None, "", "f")],
    ids=["command-line-first", "then-environment", "then-settings"],
)
def test_order_of_the_places(
    command_line: list[str] | None, environment: str, expected: str
) -> None:
    found = settings(
        {"node_image_scenario": command_line},
        {"NODE_IMAGE_SCENARIO": environment},
        {"node_image_scenario": "f"},
    )

    assert found.scenarios == (expected,)


@pytest.mark.parametrize("mode", ["keep", "keep-secrets"])
@pytest.mark.parametrize(
    ("fresh", "kept", "error"),
    [
        (0, 0, "--fresh and --checkpoints: contradict"),
        (1, 0, r"\$NODE_IMAGE_FRESH and --checkpoints: contradict"),
        (1, 1, r"\$NODE_IMAGE_FRESH and \$NODE_IMAGE_CHECKPOINTS: contradict"),
        (2, 2, "setting node_image_fresh and setting node_image_checkpoints: contradict"),
        (0, 1, ""),
        (0, 2, ""),
    ],
)
def test_fresh_and_kept_checkpoints_contradict_unless_one_is_only_usual(
    fresh: int, kept: int, error: str, mode: str
) -> None:
    names = ("node_image_{}", "NODE_IMAGE_{}", "node_image_{}")
    given: list[dict[str, str]] = [{}, {}, {}]
    for place, option, value in ((fresh, "fresh", "yes"), (kept, "checkpoints", mode)):
        name = names[place].format(option.upper() if place == 1 else option)
        given[place][name] = value

    with pytest.raises(InputError, match=error) if error else nullcontext():
        assert settings(*given).checkpoints is Checkpoints.RUN


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_is_read_from_environment_and_settings(option: object) -> None:
    seen: set[str] = set()

    class Asked(dict[str, str]):
        def get(self, key: str, default: object = None) -> str:
            seen.add(key)
            return ""

    read({}, Asked(), Asked(), FOLDER)

    assert {getattr(option, "variable"), getattr(option, "setting")} <= seen  # noqa: B009


def test_several_values_are_repeated_or_separated() -> None:
    found = settings({"node_image_scenario": ["a", "b,c", "a"]})

    assert found.scenarios == ("a", "b", "c")
    assert found.has_many_scenarios
    assert settings({}, {}, {"node_image_ignition": "\nx.ign\n~/y.ign"}).ignition == (
        FOLDER / "x.ign",
        Path.home() / "y.ign",
    )


def test_comma_in_a_path_on_the_command_line_is_part_of_it() -> None:
    found = settings({"node_image_ignition": ["/tmp/a,b.ign", "c.ign"]})  # noqa: S108

    assert found.ignition == (Path("/tmp/a,b.ign"), Path("c.ign"))  # noqa: S108


def test_path_in_a_settings_file_is_relative_to_it() -> None:
    file = BOTH | {"node_image_expectations": "mine.toml"}

    assert settings(file=file).bootimage == "/project/b.qcow2"
    assert settings(file=file).expectations == "/project/mine.toml"
    assert settings(BOTH).bootimage == "b.qcow2"
    file |= {"node_image_bootimage": "stream:c.json#x86_64/qemu/qcow2.gz"}
    assert settings(file=file).bootimage == "stream:/project/c.json#x86_64/qemu/qcow2.gz"
    file |= {"node_image_bootimage": "stream:https://a/c.json#x86_64/qemu/qcow2.gz"}
    assert settings(file=file).bootimage == "stream:https://a/c.json#x86_64/qemu/qcow2.gz"
    assert settings(file={"node_image_expectations": "ocp-4.19"}).expectations == "ocp-4.19"


@pytest.mark.parametrize(
    "option",
    ["authfile", "allow", "history", "artifacts_dir", "bootstrap_ignition", "live_ignition"],
)
def test_every_path_in_a_settings_file_is_relative_to_it(option: str) -> None:
    found = settings(file={f"node_image_{option}": "sub/it"})

    assert getattr(found, option) == FOLDER / "sub/it"


@pytest.mark.parametrize(("option", "key"), [("fat_bootimage", FAT), ("live_iso", LIVE_ISO)])
def test_image_in_a_settings_file_is_relative_to_it(option: str, key: str) -> None:
    found = settings(file={f"node_image_{option}": "sub/it"})

    assert found.images == {key: "/project/sub/it"}


def test_all_but_a_switch_take_a_value_and_lists_may_be_repeated() -> None:
    assert [option.name for option in OPTIONS if option.metavar is None] == [
        "debug-node", "fresh", "require-kvm",
    ]  # fmt: skip
    assert {option.name for option in OPTIONS if option.repeatable} == {
        "ignition", "image", "rules", "scenario",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("names", "is_many"), [(["sno"], False), (["sno", "agent"], True), (["all"], True)]
)
def test_many_scenarios_are_several_or_all(names: list[str], is_many: bool) -> None:
    assert settings({"node_image_scenario": names}).has_many_scenarios is is_many


def test_url_in_a_settings_file_stays_as_it_is() -> None:
    file = BOTH | {"node_image_bootimage": "https://example.com/b.qcow2"}

    assert settings(file=file).bootimage == "https://example.com/b.qcow2"


def test_switch_on_the_command_line_and_in_the_environment() -> None:
    assert settings({"node_image_require_kvm": True}).require_kvm
    assert settings({}, {"NODE_IMAGE_REQUIRE_KVM": "yes"}).require_kvm
    assert not settings({}, {"NODE_IMAGE_REQUIRE_KVM": "0"}).require_kvm


def test_sizes_have_units() -> None:
    found = settings({"node_image_download_cache_size": "1.5GiB", "node_image_memory_mib": "3072"})

    assert found.download_cache_bytes == 1536 << 20
    assert found.memory_mib == 3072


def test_allow_list_and_history_are_files_of_the_users() -> None:
    assert settings().allow is settings().history is None
    file = {"node_image_allow": "known.toml", "node_image_history": "/var/nightly.sqlite"}

    assert settings(file=file).allow == Path("/project/known.toml")
    assert settings(file=file).history == Path("/var/nightly.sqlite")
    assert settings({"node_image_allow": "~/a.toml"}).allow == Path.home() / "a.toml"


def test_rules_are_files_of_the_users_and_may_be_several() -> None:
    several = settings({"node_image_rules": ["a,b.toml", "~/c.toml"]})

    assert settings().rules == ()
    assert several.rules == (Path("a,b.toml"), Path.home() / "c.toml")
    assert settings(file={"node_image_rules": "own.toml"}).rules == (Path("/project/own.toml"),)


def test_artifact_dir_of_ci_gets_a_folder_of_ours() -> None:
    assert settings({}, {"ARTIFACT_DIR": "/ci"}).artifacts_dir == Path("/ci/node-image")
    named = settings({"node_image_artifacts_dir": "mine"}, {"ARTIFACT_DIR": "/ci"})
    assert named.artifacts_dir == Path("mine")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"REQUIRE_KVM": "maybe"}, "$NODE_IMAGE_REQUIRE_KVM: 'maybe' is not yes or no"),
        ({"TIMEOUT_FACTOR": "0"}, "$NODE_IMAGE_TIMEOUT_FACTOR: '0' is not a number above 0"),
        ({"TIMEOUT_FACTOR": "inf"}, "$NODE_IMAGE_TIMEOUT_FACTOR: 'inf' is not a number above 0"),
        ({"MEMORY_MIB": "2GiB"}, "$NODE_IMAGE_MEMORY_MIB: '2GiB' is not a whole number of MiB"),
        (
            {"MEMORY_MIB": "16"},
            "$NODE_IMAGE_MEMORY_MIB: '16' is not a whole number of MiB, at least 256",
        ),
        ({"MEMORY_MIB": "9" * 5000}, "$NODE_IMAGE_MEMORY_MIB: '999"),
        ({"DOWNLOAD_CACHE_SIZE": f"{'9' * 400}GiB"}, "$NODE_IMAGE_DOWNLOAD_CACHE_SIZE: '999"),
        ({"HARDWARE": "steam"}, "$NODE_IMAGE_HARDWARE "),
        ({"DOWNLOAD_CACHE_SIZE": "5"}, "$NODE_IMAGE_DOWNLOAD_CACHE_SIZE: '5' is not a size"),
        ({"BOOTIMAGE": "b"}, "--bootimage: given without a node image"),
        ({"NODE_IMAGE": "n", "RELEASE_IMAGE": "r"}, "--node-image and --release-image: both"),
        ({"BOOTIMAGE_SHA256": "0"}, "--bootimage-sha256: given without --bootimage"),
        ({"OS_STREAM": "rhel-10"}, "--os-stream: given without a release"),
    ],
)
def test_fault_names_place_and_way_out(environment: dict[str, str], message: str) -> None:
    given = {f"NODE_IMAGE_{name}": value for name, value in environment.items()}

    with pytest.raises(InputError) as caught:
        settings({}, given)

    assert str(caught.value).startswith(message)
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["NODE_IMAGE", "RELEASE_IMAGE"])
def test_a_node_image_alone_can_be_judged_but_not_booted(name: str) -> None:
    found = settings({}, {f"NODE_IMAGE_{name}": "n", "NODE_IMAGE_BASE_IMAGE": "b"})

    assert found.base_image == "b"
    assert not found.is_stand_in
    with pytest.raises(InputError) as caught:
        require_bootable(found)
    option = f"--{name.lower().replace('_', '-')}"
    assert str(caught.value).startswith(f"{option}: given without a bootimage. Add --bootimage,")


def test_images_of_another_architecture_can_be_judged_but_not_booted() -> None:
    other = "s390x" if platform.machine() != "s390x" else "ppc64le"
    named = {"NODE_IMAGE_ARCH": other, "NODE_IMAGE_NODE_IMAGE": "n", "NODE_IMAGE_BOOTIMAGE": "b"}

    assert settings({}, named).arch == other
    assert settings({}, {}).arch == platform.machine()
    with pytest.raises(InputError, match=f"--arch {other}: machines are of this host's"):
        require_bootable(settings({}, named))
    with pytest.raises(InputError, match=f"--arch {other}: given without a node image"):
        settings({}, {"NODE_IMAGE_ARCH": other})
    with pytest.raises(InputError, match=r"ARCH amd64: unsupported architecture\. Use one of"):
        settings({}, named | {"NODE_IMAGE_ARCH": "amd64"})


def test_images_are_given_by_key_with_paths_relative_to_where_they_are_named() -> None:
    folder = Path("/project")
    cli = read({"node_image_image": ["uki=/x/a,b.qcow2", "other=https://h/o"]}, {}, {}, folder)
    ini = read({}, {}, {"node_image_image": "uki=a.qcow2, other=https://h/o"}, folder)

    assert cli.images == {"uki": "/x/a,b.qcow2", "other": "https://h/o"}
    assert ini.images == {"uki": "/project/a.qcow2", "other": "https://h/o"}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (["uki"], "'uki' is not KEY=PATH"),
        (["uki="], "'uki=' is not KEY=PATH"),
        (["Uki=x"], "'Uki=x' is not KEY=PATH"),
        (["fat=x"], "the image 'fat' has its own option. Use --fat-bootimage."),
        (["bootimage=x"], "Use --bootimage."),
        (["uki=x", "uki=y"], "the image 'uki' is given twice"),
    ],
)
def test_image_that_is_named_wrongly_is_refused(given: list[str], shown: str) -> None:
    with pytest.raises(InputError, match=re.escape(shown)):
        read({"node_image_image": given}, {}, {}, Path("/project"))
