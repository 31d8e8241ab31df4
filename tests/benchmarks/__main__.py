"""`python -m benchmarks begin` empties the file of figures, `show` prints their table."""

from __future__ import annotations

import sys

from benchmarks.figures import file, parts_of
from benchmarks.table import table


def main(act: str) -> None:
    document = file()
    if act == "begin":
        document.unlink(missing_ok=True)
        return
    parts = parts_of(document)
    if not parts:
        sys.exit(f"{document}: no benchmark has been run. Run tox -e bench.")
    sys.stdout.write(f"\n{table(parts)}\nfigures: {document}\n")


if __name__ == "__main__":
    main(sys.argv[1])
