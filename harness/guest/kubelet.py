"""Ignition pieces for the bootstrap's standalone kubelet and its probe pod.

The unit is the one that the installer delivers (no kubeconfig, static pods only), without its
release-image services: the harness names the pause image itself.

Source: openshift/installer data/data/bootstrap/systemd/common/units/kubelet.service.template and
data/data/bootstrap/files/usr/local/bin/{kubelet,crio-configure}.sh.template.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from harness.model.ignition import Config, File, Unit

PROBE_POD = "node-image-harness-probe"
HEALTHZ_PORT = 10248
UNIT = "kubelet.service"

_CONFIG_PATH = "/etc/kubernetes/kubelet.conf"
_MANIFESTS = "/etc/kubernetes/manifests"
_VOLUME_PLUGINS = "/etc/kubernetes/kubelet-plugins/volume/exec"


CRI_ENDPOINT = "unix:///run/crio/crio.sock"
"""The runtime's socket as kubelet and crictl name it."""


def standalone_kubelet(pause_image: str) -> Config:
    """Run kubelet without a cluster, with one static pod of `pause_image` (a pull spec)."""
    return Config(
        files=(config_file(_WITHOUT_API), probe_file(pause_image)),
        units=(Unit(name=UNIT, contents=unit_text(), enabled=True),),
    )


def crio_pause(pause_image: str) -> Config:
    """Set CRI-O's pause image, as the installer's crio-configure.service does."""
    path = "/etc/crio/crio.conf.d/50-node-image-harness.conf"
    # An empty command means the image's own entrypoint; unset, CRI-O runs /pause in it.
    text = f'[crio.image]\npause_image = {_toml(pause_image)}\npause_command = ""\n'
    return Config(files=(_owned(path, text),))


# Only fields that kubelet 1.20 and 1.32 both know: kubelet ignores unknown ones silently.
_KUBELET_CONFIG = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "staticPodPath": _MANIFESTS,
    "healthzBindAddress": "127.0.0.1",
    "healthzPort": HEALTHZ_PORT,
    "cgroupDriver": "systemd",
    "failSwapOn": False,
    "enableControllerAttachDetach": False,
    "runtimeRequestTimeout": "10m",
    "serializeImagePulls": False,
    "volumePluginDir": _VOLUME_PLUGINS,
}
# Without an API nothing authorizes callers of kubelet, so it listens only on the loopback.
_WITHOUT_API: Mapping[str, object] = {
    "address": "127.0.0.1",
    "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
    "authorization": {"mode": "AlwaysAllow"},
}


def config_file(more: Mapping[str, object]) -> File:
    """Return kubelet's configuration file, with `more` fields."""
    return _owned(_CONFIG_PATH, _json({**_KUBELET_CONFIG, **more}))


def probe_file(pause_image: str) -> File:
    """Return the manifest of the static pod that readiness checks."""
    return _owned(f"{_MANIFESTS}/{PROBE_POD}.json", _json(_probe_pod(pause_image)))


def _probe_pod(image: str) -> dict[str, object]:
    # hostNetwork: without a cluster nothing configures CNI.
    container = {"name": "probe", "image": image, "imagePullPolicy": "IfNotPresent"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": PROBE_POD, "namespace": "kube-system"},
        "spec": {
            "hostNetwork": True,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 1,
            "containers": [container],
        },
    }


def unit_text(arguments: tuple[str, ...] = (), os_release: str = "-/etc/os-release") -> str:
    """Return kubelet.service with more `arguments`; `os_release` is its EnvironmentFile."""
    words = " \\\n    ".join(
        (
            "/usr/bin/kubelet", f"--config={_CONFIG_PATH}",
            f"--container-runtime-endpoint={CRI_ENDPOINT}", *arguments,
            "--v=2 $KUBELET_EXTRA_ARGS",
        )
    )  # fmt: skip
    return f"""\
[Unit]
Description=Kubernetes Kubelet
Wants=rpc-statd.service crio.service
After=rpc-statd.service crio.service

[Service]
Type=notify
ExecStartPre=/bin/mkdir --parents {_MANIFESTS}
ExecStartPre=/bin/mkdir --parents {_VOLUME_PLUGINS}
EnvironmentFile={os_release}
EnvironmentFile=-/etc/sysconfig/kubelet
ExecStart={words}
Restart=always
RestartSec=10

[Install]
WantedBy=multi-user.target
"""


def _owned(path: str, text: str) -> File:
    return File(path=path, contents=text, overwrite=True)


def _json(document: Mapping[str, object]) -> str:
    return json.dumps(document, indent=2) + "\n"


def _toml(text: str) -> str:
    # A JSON string is a TOML basic string.
    return json.dumps(text)
