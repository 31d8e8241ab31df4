"""The contract between images, judged without a machine: `pytest -m contract --node-image …`.

Any project with the plugin can have this file. docs/contract.md says what each check proves.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.verdict.contract_rows import ContractRow
from harness.verdict.rows import FileRow, OsReleaseRow, PackageRow, Row

pytestmark = pytest.mark.contract
ImageVerdict = Callable[[Row | ContractRow], None]


def test_contract(image_verdict: ImageVerdict, contract_row: ContractRow) -> None:
    image_verdict(contract_row)


def test_package(image_verdict: ImageVerdict, package_row: PackageRow) -> None:
    image_verdict(package_row)


def test_os_release(image_verdict: ImageVerdict, os_release_row: OsReleaseRow) -> None:
    image_verdict(os_release_row)


def test_file(image_verdict: ImageVerdict, file_row: FileRow) -> None:
    image_verdict(file_row)
