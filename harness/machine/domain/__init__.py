"""What a machine is, as values, and the libvirt XML and QEMU words that they become."""
