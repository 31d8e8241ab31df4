"""A registry of one image with manners of our choice, by TLS on the loopback."""

from __future__ import annotations

import hashlib
import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from harness.pki.certificates import Certificate, issue


@dataclass
class Registry:
    """What it has and how it answers; `asked` are the paths of requests in order.

    `refusals` are statuses by the beginning of a path, `cuts` the bytes of a blob that are sent
    before each early end, by digest. `busy` requests are answered with 429 first, `redirects` lead
    from the beginning of a path to a URL to which the path is added.
    """

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)
    cuts: dict[str, list[int]] = field(default_factory=dict)
    busy: int = 0
    retry_after: str = "0"
    redirects: dict[str, str] = field(default_factory=dict)
    hangs: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    address: str = ""
    cert_dir: Path = Path()

    def reference(self, tag: str = "t") -> str:
        mark = "@" if tag.startswith("sha256:") else ":"
        return f"docker://{self.address}/image{mark}{tag}"

    def add_layout(self, folder: Path, tag: str = "t") -> str:
        """Add the image of an OCI layout under a tag, and return its digest."""
        index = json.loads((folder / "index.json").read_text())
        entry = index["manifests"][0]
        for path in (folder / "blobs" / "sha256").iterdir():
            self.blobs[f"sha256:{path.name}"] = path.read_bytes()
        return self.add_manifest(entry["mediaType"], self.blobs[entry["digest"]], tag)

    def add_manifest(self, media_type: str, text: bytes, tag: str = "t") -> str:
        digest = f"sha256:{hashlib.sha256(text).hexdigest()}"
        self.manifests[tag] = self.manifests[digest] = (media_type, text)
        return digest


@cache
def _certificate() -> Certificate:
    return issue(("127.0.0.1",), ("localhost",))


@contextmanager
def served(registry: Registry, folder: Path) -> Iterator[Registry]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            registry.asked.append(self.path)
            status = next((s for p, s in registry.refusals.items() if self.path.startswith(p)), 0)
            leads = next((t for p, t in registry.redirects.items() if self.path.startswith(p)), "")
            if registry.busy and self.path != "/v2/":
                registry.busy -= 1
                status = 429
            kind, _, name = self.path.removeprefix("/v2/image/").partition("/")
            if status:
                self.refuse(status)
            elif leads:
                self.lead(f"{leads}{self.path}")
            elif self.path == "/v2/":
                self.answer("application/json", b"{}")
            elif kind == "manifests" and name in registry.manifests:
                self.answer(*registry.manifests[name])
            elif kind == "blobs" and name in registry.blobs:
                self.blob(name)
            else:
                self.refuse(404)

        do_HEAD = do_GET

        def blob(self, name: str) -> None:
            body = registry.blobs[name]
            cuts = registry.cuts.get(name, [])
            end = cuts.pop(0) if cuts else len(body)
            self.start("application/octet-stream", len(body))
            self.wfile.write(body[:end])
            if name in registry.hangs:
                registry.released.wait()
            self.close_connection = True

        def lead(self, url: str) -> None:
            self.send_response(307)
            self.send_header("Location", url)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def answer(self, media_type: str, body: bytes) -> None:
            self.start(media_type, len(body))
            if self.command != "HEAD":
                self.wfile.write(body)

        def start(self, media_type: str, size_bytes: int) -> None:
            self.send_response(200)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(size_bytes))
            self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
            self.end_headers()

        def refuse(self, status: int) -> None:
            code = {
                404: "MANIFEST_UNKNOWN",
                401: "UNAUTHORIZED",
                403: "DENIED",
                429: "TOOMANYREQUESTS",
            }.get(status, "X")
            text = json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode()
            self.send_response(status)
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="r"')
            self.send_header("Retry-After", registry.retry_after)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Keep quiet when skopeo hangs up."""

    certificate = _certificate()
    registry.cert_dir = folder / "trust"
    registry.cert_dir.mkdir()
    (registry.cert_dir / "ca.crt").write_text(certificate.ca_pem)
    key = folder / "server.pem"
    key.write_text(certificate.certificate_pem + certificate.key_pem.reveal())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(key)
    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.005,))
    thread.start()
    registry.address = f"127.0.0.1:{server.server_port}"
    try:
        yield registry
    finally:
        registry.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
