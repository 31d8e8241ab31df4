"""Configs of live systems in the shape of the installers', with few of their files.

Source: openshift/installer pkg/asset/agent/image and data/data/agent; openshift/assisted-service
internal/ignition/templates, discovery.ign.
"""

from __future__ import annotations

from harness.model.guest_network import GUEST
from harness.model.ignition import Config, Document, File, Unit

RELEASE = "quay.example/openshift-release-dev/ocp-release@sha256:" + "a" * 64
SERVICE = f"http://{GUEST}:8090/"
_AGENT_IMAGE = "quay.example/assisted-agent@sha256:" + "b" * 64
_TAIL = """
[Unit]
Wants=network-online.target
After=network-online.target set-hostname.service

[Install]
WantedBy=multi-user.target
"""
_AGENT_UNIT = f"""\
[Service]
Type=simple
Restart=always
RestartSec=3
StartLimitInterval=0
Environment=HTTP_PROXY=
Environment=HTTPS_PROXY=
Environment=NO_PROXY=
EnvironmentFile=/etc/assisted/rendezvous-host.env
TimeoutStartSec=3000
ExecStartPre=/usr/local/bin/extract-agent.sh
ExecStart=/usr/local/bin/start-agent.sh
{_TAIL}"""
_NODE_ZERO_UNIT = """\
[Unit]
Description=Identify node zero to run OpenShift Assisted Installation Service on
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/local/bin/set-node-zero.sh
ExecStartPost=/bin/sleep 5
Restart=on-failure

[Install]
WantedBy=multi-user.target
"""
_DOWNLOAD = """\
#!/usr/bin/env bash
RELEASE_IMAGE={release}
while ! podman pull --quiet "$RELEASE_IMAGE"
do
    echo "Pull failed. Retrying $RELEASE_IMAGE..."
done
"""


def agent_ign(
    rendezvous: str = GUEST, hosts: int = 1, release: str = RELEASE, adds_nodes: bool = False
) -> Document:
    """Return the config of an agent ISO for a cluster whose node zero has `rendezvous`."""
    where = f"NODE_ZERO_IP={rendezvous}\nSERVICE_BASE_URL={SERVICE}\n" if rendezvous else ""
    cluster = f"spec:\n  provisionRequirements:\n    controlPlaneAgents: {hosts}\n"
    names = ("node-zero.service", "agent-add-node.service")
    return Config(
        files=(
            _file("/etc/assisted/rendezvous-host.env", where, 0o644),
            _file("/etc/assisted/manifests/agent-cluster-install.yaml", cluster, 0o600),
            _file("/usr/local/bin/release-image-download.sh", _DOWNLOAD.format(release=release)),
            _file("/usr/local/bin/extract-agent.sh", "#!/bin/bash\n"),
            _file("/usr/local/bin/start-agent.sh", "#!/bin/bash\n"),
            _file("/usr/local/bin/set-node-zero.sh", "#!/bin/bash\n"),
            _file("/root/.docker/config.json", '{"auths": {}}\n', 0o600),
        ),
        units=(
            Unit(name="agent.service", contents=_AGENT_UNIT, enabled=True),
            *(
                Unit(
                    name=name, contents=_NODE_ZERO_UNIT, enabled=adds_nodes or name == names[0]
                )
                for name in names
            ),
        ),
    ).to_document()  # fmt: skip


def discovery_ign(url: str = "https://assisted.example", *, enabled: bool = True) -> Document:
    """Return the config of a discovery ISO whose agent asks the service at `url`."""
    agent = (
        "[Service]\nType=simple\nRestart=always\nRestartSec=3\nStartLimitInterval=0\n"
        "Environment=HTTP_PROXY=http://proxy.example:3128\nEnvironment=NO_PROXY=.example\n"
        f"ExecStartPre=/usr/local/bin/agent-pull-image {_AGENT_IMAGE}\n"
        f"ExecStart=/usr/local/bin/agent --url {url} --infra-env-id 1-2-3 "
        f"--agent-version {_AGENT_IMAGE} --insecure=false\n{_TAIL}"
    )
    return Config(
        files=(
            _file("/usr/local/bin/agent-pull-image", "#!/bin/sh\n"),
            _file("/root/.docker/config.json", '{"auths": {}}\n', 0o644),
        ),
        units=(
            Unit(name="agent.service", contents=agent, enabled=enabled),
            Unit(name="selinux.service", contents="[Service]\nType=oneshot\n", enabled=True),
            Unit(name="multipathd.service", enabled=True),
        ),
    ).to_document()  # fmt: skip


def _file(path: str, text: str, mode: int = 0o755) -> File:
    return File(path=path, contents=text, mode=mode, overwrite=True, user="root")
