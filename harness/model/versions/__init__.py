"""Versions of operating system images, their order, and the streams that list them."""
