"""Container images: read, copy, write and serve them."""
