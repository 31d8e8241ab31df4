"""Virtual machines through libvirt; the only room that imports it.

`domain/` describes a machine, `ownership/` is what a run takes from the host. `machine` boots one
through a `connection`. `driver` is the interface between them, and only `library` loads libvirt.
"""
