"""Text files and Ignition configs that options name, each checked as it is read."""

from __future__ import annotations

from pathlib import Path

from harness import regular_file, temporary
from harness.guest.installers.live import require_live
from harness.guest.installers.variant import require_bootstrap
from harness.guest.validation import require_valid
from harness.model import ignition


def bootstrap_config_of(path: Path) -> ignition.Document:
    """Return the installer's config of --bootstrap-ignition.

    Raises:
        InputError: it cannot be read, is not valid, or is another config.
    """
    document = config_of(path, "--bootstrap-ignition")
    require_bootstrap(document, str(path))
    return document


def live_config_of(path: Path) -> ignition.Document:
    """Return the installer's config of --live-ignition.

    Raises:
        InputError: it cannot be read, is not valid, or is another config.
    """
    document = config_of(path, "--live-ignition")
    require_live(document, str(path))
    return document


def text_of(path: Path, option: str) -> str:
    """Return the text of the file that `option` names.

    Raises:
        InputError: it cannot be read, or is not text.
    """
    return regular_file.text(path, f"Name a readable file with {option}.")


def config_of(path: Path, option: str) -> ignition.Document:
    """Return the Ignition config that `option` names.

    Raises:
        InputError: it cannot be read, or is not valid.
    """
    text = text_of(path, option)
    document = ignition.parse(text, str(path))
    with temporary.folder() as folder:
        remedy = "Correct it; `ignition-validate` can check the config."
        require_valid(text, folder, str(path), remedy)
    return document
