"""URLs of images: what is one, and how to print it. The plugin imports this in every session."""

from __future__ import annotations

from harness.model.url_secrets import shown_url

__all__ = ["STREAM", "is_url", "shown_image", "shown_url"]

STREAM = "stream:"
"""Before stream metadata and the place of a disk in it: `stream:FILE#x86_64/qemu/qcow2.gz`."""


def is_url(text: str) -> bool:
    """Return whether `text` is an http or https URL."""
    return text.lower().startswith(("http://", "https://"))


def shown_image(text: str) -> str:
    """Return an image's path, URL or place in stream metadata as it may be printed."""
    if text.startswith(STREAM):
        metadata, mark, place = text.removeprefix(STREAM).partition("#")
        return f"{STREAM}{shown_image(metadata)}{mark}{place}"
    return shown_url(text) if is_url(text) else text
