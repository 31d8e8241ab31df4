"""The quick answer: labels, and the small file in which the image describes itself.

That file is in the last layer, where other tools look for nothing else. A misplaced one is found in
the last few small layers, and named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness import temporary
from harness.contract.inspection import Depth, Inspection
from harness.contract.reading import metadata
from harness.contract.reading.image_reader import ImageReader
from harness.contract.reading.layer_search import FoundFile, Search
from harness.model.clock import Deadline

_LAYERS = 8
_SMALL_BYTES = 1 << 20
_MAX_FILE_BYTES = 16 << 20


def quick_inspection(reader: ImageReader, deadline: Deadline) -> Inspection:
    """Return what the labels and the metadata layers of an image say.

    Raises:
        InputError: a layer cannot be read.
        DeadlineError: the time is over.
    """
    bare = Inspection(
        subject=reader.subject, digest=reader.digest, list_digest=reader.list_digest,
        architecture=reader.architecture, depth=Depth.QUICK, labels=reader.labels,
        layers=reader.layers,
    )  # fmt: skip
    with temporary.folder() as folder:
        search = Search(
            reader=reader, folder=folder, limit_bytes=_MAX_FILE_BYTES, deadline=deadline
        )
        wanted = metadata.expected(reader.labels)
        search.find(wanted, _small_layers(reader), lambda: any(map(search.get, wanted)))
        found = {path: one for path in wanted if (one := search.get(path))}
        read = replace(bare, read_bytes=search.read_bytes)
        return _without(read) if not found else _described(read, found)


def _small_layers(reader: ImageReader) -> tuple[int, ...]:
    """Return the numbers of the layers to look into, the last one first."""
    last = range(len(reader.layers))[-_LAYERS:]
    return tuple(
        number for number in reversed(last) if reader.layers[number].size_bytes <= _SMALL_BYTES
    )


def _without(bare: Inspection) -> Inspection:
    if not metadata.is_promised(bare.labels):
        return bare
    (path,) = metadata.expected(bare.labels)
    problem = f"missing {path}: its labels promise it, and no small layer at the end has it"
    return replace(bare, problems=(problem,))


def _described(bare: Inspection, found: Mapping[str, FoundFile]) -> Inspection:
    described = bare
    for path, file in found.items():
        misplaced = _why_misplaced(bare, path, file.layer)
        described = replace(
            _with(described, path, file.content.read_bytes()),
            found_in={**described.found_in, path: file.layer},
        )
        described = replace(described, problems=(*described.problems, *misplaced))
    return described


def _with(inspection: Inspection, path: str, text: bytes) -> Inspection:
    try:
        match path:
            case metadata.PACKAGE_LIST:
                packages = metadata.package_list(text)
                kernel = metadata.kernel_of(packages)
                return replace(inspection, packages=packages, kernel=kernel)
            case metadata.EXTENSIONS:
                return replace(inspection, extensions=metadata.texts(text))
            case _:
                return replace(inspection, driver_toolkit=metadata.texts(text))
    except ValueError as exc:
        problem = f"malformed {path}: {exc}"
        return replace(inspection, problems=(*inspection.problems, problem))


def _why_misplaced(inspection: Inspection, path: str, layer: int) -> tuple[str, ...]:
    count = len(inspection.layers)
    if layer == count - 1:
        return ()
    return (f"misplaced {path}: in layer {layer + 1} of {count}; other tools read the last one",)
