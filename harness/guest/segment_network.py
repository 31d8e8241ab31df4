"""Ignition pieces for the machine that is gateway, DHCP and name server of a private segment.

In a real installation the infrastructure has them. Here the bootstrap machine does, so that the
segment needs no network of the host. The other machine gets its address, its name, its gateway and
the cluster's names from it.
Source: openshift/installer docs/user/metal/install_upi.md for the names.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.ignition import Config, File, Unit

DOMAIN = "cluster.internal"
API_NAME = f"api.{DOMAIN}"
API_INT_NAME = f"api-int.{DOMAIN}"
GATEWAY = "192.168.126.1"

_PREFIX = 24
_MEMBER = "192.168.126.10"
_CONNECTION = "node-image-harness-segment"
_CONF = "/etc/node-image-harness/dnsmasq.conf"
_UNIT = "node-image-harness-network.service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """The other machine of the segment: its name there, and its card's address."""

    name: str
    mac: str


def segment_gateway(mac: str, member: Member) -> Config:
    """Serve the segment that the card with address `mac` is on."""
    return Config(
        files=(
            File(
                path=f"/etc/NetworkManager/system-connections/{_CONNECTION}.nmconnection",
                contents=_connection(mac), mode=0o600, overwrite=True,
            ),
            File(path=_CONF, contents=_dnsmasq(member), overwrite=True),
        ),
        units=(Unit(name=_UNIT, contents=_unit(), enabled=True),),
    )  # fmt: skip


def _connection(mac: str) -> str:
    return f"""\
[connection]
id={_CONNECTION}
type=ethernet

[ethernet]
mac-address={mac}

[ipv4]
method=manual
address1={GATEWAY}/{_PREFIX}
never-default=true

[ipv6]
method=disabled
"""


def _dnsmasq(member: Member) -> str:
    return f"""\
user=root
listen-address={GATEWAY}
bind-dynamic
no-resolv
no-hosts
dhcp-authoritative
dhcp-range={_MEMBER},{_MEMBER},12h
dhcp-host={member.mac},{_MEMBER},{member.name}
dhcp-option=option:router,{GATEWAY}
dhcp-option=option:dns-server,{GATEWAY}
dhcp-leasefile=/run/node-image-harness-dnsmasq.leases
domain={DOMAIN}
address=/{API_NAME}/{GATEWAY}
address=/{API_INT_NAME}/{GATEWAY}
"""


def _unit() -> str:
    # The member's packets leave under this machine's address.
    return f"""\
[Unit]
Description=Gateway, DHCP and name server of the segment
IgnoreOnIsolate=yes
Wants=NetworkManager.service
After=NetworkManager.service

[Service]
ExecStartPre=/usr/sbin/sysctl --quiet net.ipv4.ip_forward=1
ExecStartPre=/usr/sbin/iptables --table nat --append POSTROUTING --source {GATEWAY}/{_PREFIX} \\
    ! --destination {GATEWAY}/{_PREFIX} --jump MASQUERADE
ExecStart=/usr/sbin/dnsmasq --keep-in-foreground --conf-file={_CONF}
Restart=on-failure
RestartSec=2

[Install]
WantedBy=multi-user.target node-image-overlay.target
"""
