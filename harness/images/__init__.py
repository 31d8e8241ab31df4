"""Bootimages and node images: acquire, verify, cache, serve. The only room that downloads."""
