"""Images and programs of the stand-in's release, beside the node image.

`harness.standin.payload` builds them; the control plane and the release image use them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.images.reference import Reference, Transport

TAG = "latest"
ARCH = "x86_64"
"""What the stand-ins are built for."""

RELEASE = "io.openshift.release"
"""The label of a release image; its value is the release's version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """The built payload: OCI layouts, and the programs inside of them."""

    folder: Path

    @property
    def etcd_image(self) -> Reference:
        """The image with /usr/bin/etcd."""
        return self._image("etcd")

    @property
    def hyperkube_image(self) -> Reference:
        """The image with /usr/bin/kube-apiserver."""
        return self._image("hyperkube")

    @property
    def machine_config_image(self) -> Reference:
        """The image with /usr/bin/machine-config-server."""
        return self._image("machine-config")

    @property
    def machine_config_tree(self) -> Path:
        """The content of the image with the machine-config server, which is static."""
        return self.folder / "machine-config-tree"

    @property
    def etcd_tree(self) -> Path:
        """The content of the etcd image: the program, and the two libraries that it needs."""
        return self.folder / "etcd-tree"

    @property
    def hyperkube_tree(self) -> Path:
        """The content of the image with the API server, which is static."""
        return self.folder / "hyperkube-tree"

    @property
    def release_program(self) -> Path:
        """The static program that answers for a release image."""
        return self.folder / "release-image"

    def layout(self, name: str) -> Path:
        """Return the folder of one image's OCI layout."""
        return self.folder / name

    def _image(self, name: str) -> Reference:
        return Reference(transport=Transport.OCI, rest=f"{self.layout(name)}:{TAG}")
