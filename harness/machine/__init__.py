"""Virtual machines through libvirt; the only room that imports it.

`domain/` is what a machine is, `ownership/` what a run takes from the host. `machine` boots one by
a `connection`; `driver` has the words of both, and `library` alone loads libvirt.
"""
