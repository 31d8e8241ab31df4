"""A network boot of a live system: iPXE's script, and the server that it loads everything from."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from http import HTTPStatus

from harness.cluster.exchange import Answer, Request, Route, refusal
from harness.cluster.web import serve
from harness.images.live_iso import pack
from harness.images.live_media import LiveMedia
from harness.model.secrets.redaction import Redactor

_SCRIPT, _KERNEL, _INITRAMFS, _CONFIG = "/boot.ipxe", "/vmlinuz", "/initrd.img", "/config.img"
_ROOTFS, _METAL = "/rootfs.img", "/metal.raw.zst"
# 8250.nr_uarts: an emulated machine has one serial port, and waits for the others.
_ARGUMENTS = (
    "console=ttyS0,115200n8", "8250.nr_uarts=1", "random.trust_cpu=on", "ip=dhcp", "rd.neednet=1",
    "ignition.firstboot", "ignition.platform.id=metal",
)  # fmt: skip


@contextmanager
def served(media: LiveMedia, config: str, redactor: Redactor) -> Iterator[str]:
    """Context manager that serves a live system with `config`; yields the URL of iPXE's script."""
    routes: dict[str, Route] = {
        _KERNEL: media.kernel, _INITRAMFS: media.initramfs, _ROOTFS: media.rootfs,
        _CONFIG: once(pack(config)),
    }  # fmt: skip
    if media.metal is not None:
        routes[_METAL] = media.metal
        routes[f"{_METAL}.sha256"] = media.metal.with_name(f"{media.metal.name}.sha256")
    with serve(routes) as web:
        redactor.add(web.token)
        # QEMU's command line, which every user of the host can read, leads to the script.
        routes[_SCRIPT] = once(ipxe_script(web.url_in_guest, routes).encode())
        yield f"{web.url_in_guest}{_SCRIPT}"


def ipxe_script(url: str, routes: Collection[str]) -> str:
    """Return what iPXE is to do: load kernel and both initramfs from `url`, and start."""
    arguments = [*_ARGUMENTS, f"coreos.live.rootfs_url={url}{_ROOTFS}"]
    if _METAL in routes:
        arguments.append(f"coreos.inst.image_url={url}{_METAL}")
    return (
        f"#!ipxe\nkernel {url}{_KERNEL} {' '.join(arguments)}\n"
        f"initrd {url}{_INITRAMFS}\ninitrd {url}{_CONFIG}\nboot\n"
    )


def once(body: bytes) -> Route:
    """Serve `body` to the first client that asks for it, and to no other."""
    left = [body]

    def answer(asked: Request) -> Answer:
        try:
            return Answer(body=left.pop())
        except IndexError:
            return refusal(HTTPStatus.GONE, f"{asked.path} was fetched already")

    return answer
