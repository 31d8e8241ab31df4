"""What the tests of `harness/images` share: a clock, a web server with manners, OCI layouts."""

from __future__ import annotations

import http.server
import io
import json
import tarfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from machine_fakes import FakeClock

from harness.images.oci.writing import Descriptor, write_blob, write_image, write_index
from harness.model.clock import Deadline


class RunningClock(FakeClock):
    """Time in which six seconds pass at every look."""

    def monotonic(self) -> float:
        self.now += 6
        return self.now


def deadline(limit_s: float = 60) -> Deadline:
    return Deadline.after(limit_s, FakeClock())


@dataclass
class Web:
    """A server's content and manners; `requests` are the headers it saw, in order."""

    files: dict[str, bytes]
    url: str = ""
    knows_ranges: bool = True
    knows_head: bool = True
    continues_at: int | None = None  # where an answer to Range begins, if not where it was asked to
    cuts: list[int] = field(default_factory=list)  # bytes sent before each early end
    refusals: list[int] = field(default_factory=list)  # statuses answered first
    requests: list[dict[str, str]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)  # what was asked for without its content


@contextmanager
def served(web: Web) -> Iterator[Web]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            web.heads.append(self.path)
            self.do_GET()

        def do_GET(self) -> None:
            if self.command == "HEAD" and not web.knows_head:
                self.send_error(405)
                return
            web.requests.append(dict(self.headers))
            if web.refusals:
                self.send_error(web.refusals.pop(0))
            elif self.path not in web.files:
                self.send_error(404)
            else:
                self.answer(web.files[self.path])

        def answer(self, body: bytes) -> None:
            start = self.asked_start()
            if start > len(body) or (start and start == len(body)):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            if self.command == "HEAD":
                return
            end = start + web.cuts.pop(0) if web.cuts else len(body)
            self.wfile.write(body[start:end])

        def asked_start(self) -> int:
            asked = self.headers.get("Range", "")
            if not web.knows_ranges or not asked:
                return 0
            return web.continues_at or int(asked.removeprefix("bytes=").removesuffix("-"))

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.005,))
    thread.start()
    web.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def tar_of(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def write_layout(
    folder: Path,
    layers: Sequence[bytes],
    labels: Mapping[str, str] | None = None,
    arch: str = "amd64",
) -> Descriptor:
    """Write an OCI layout with one image, tag `t`."""
    return write_image(folder, "t", arch, layers, {"Labels": dict(labels or {})})


def write_list(folder: Path, images: Mapping[str, Descriptor]) -> None:
    """Make tag `t` of the layout a list of images by architecture."""
    media = "application/vnd.oci.image.index.v1+json"
    entries = [
        {**image, "platform": {"architecture": arch, "os": "linux"}}
        for arch, image in images.items()
    ]
    nested = {"schemaVersion": 2, "mediaType": media, "manifests": entries}
    write_index(folder, "t", write_blob(folder, media, json.dumps(nested).encode()))
