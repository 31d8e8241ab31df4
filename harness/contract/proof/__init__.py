"""Whether two images have the same contents, up to reviewed rules."""
