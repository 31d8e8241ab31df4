"""pytest's plugin of this repository: what contract tests and the benchmark of a pull read.

Both get stand-ins, unless the user names images.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from standin_images import ballast, images
from standin_images.large import SHAPES
from standin_images.recipe import HERE, Recipe

_FOLDER = "contract"
_PULL = "bench_pull.py"
_KEY = "small_stand_ins"
_OPTIONS = (
    "node_image",
    "release_image",
    "base_image",
    "extensions",
    "driver_toolkit",
    "bootimage",
)
_WRITTEN = pytest.StashKey[dict[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--bench-size", choices=tuple(SHAPES), default="small",
        help="Size of the image of tests/contract/bench_contract.py: real is 2.5 GB unpacked.",
    )  # fmt: skip
    parser.addoption(
        "--bench-rounds", type=int, default=2,
        help="How often bench_boot.py and bench_forks.py in tests/boot boot each machine cold.",
    )  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Write the stand-ins if tests are named that need them, and no image is."""
    named = {Path(arg.partition("::")[0]).name for arg in config.args}
    if any(getattr(config.option, f"node_image_{name}", None) for name in _OPTIONS):
        return
    if named == {_PULL}:
        vars(config.option).update(_of_real_size(config))
    if not named & {_FOLDER, "test_contract.py"}:
        return
    found = getattr(config, "workerinput", {}).get(_KEY) or _written(config)
    config.stash[_WRITTEN] = found
    vars(config.option).update(found)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401 - xdist's
    """Let xdist's workers read the same images."""
    node.workerinput[_KEY] = node.config.stash.get(_WRITTEN, None)


def _written(config: pytest.Config) -> dict[str, str]:
    folder = TemporaryDirectory(prefix="node-image-stand-ins-")
    config.add_cleanup(folder.cleanup)
    recipe = Recipe.usual(getattr(config.option, "node_image_arch", None) or HERE)
    found = images.write_all(Path(folder.name), recipe)
    return {
        "node_image_node_image": found.node, "node_image_base_image": found.base,
        "node_image_extensions": found.extensions,
        "node_image_driver_toolkit": found.driver_toolkit,
    }  # fmt: skip


def _of_real_size(config: pytest.Config) -> dict[str, str]:
    """Return the options for a stand-in node image of a real one's size, and its bootimage."""
    stack = ExitStack()
    config.add_cleanup(stack.close)
    node, bootimage = ballast.get_or_write(stack)
    return {"node_image_bootimage": str(bootimage), "node_image_node_image": node}
