"""The commands of `node-image` that compare images, versions and streams."""
