"""Builds the stand-in images from Debian packages; nothing imports it but the workplace."""
