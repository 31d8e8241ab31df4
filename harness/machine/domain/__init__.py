"""Machines as values, and the libvirt XML and QEMU words made from them."""
