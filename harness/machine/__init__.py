"""Virtual machines through libvirt; the only room that imports it."""
