"""Inputs of a run with secrets of every kind, which its guest prints in several encodings.

The values are random and of no use anywhere. What has to be absent is a part of each that no
encoding of the whole repeats.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness.model.ignition import Config, Document, File, Json, Unit

_FOLDER = "/etc/planted"
_PRIVATE = 0o600
_PRINT = r"""#!/bin/bash
# Print each secret as it is, and in the encodings of configs and manifests.
for file in /etc/planted/*; do
  echo "planted: $file"
  cat "$file"
  echo
  base64 --wrap=0 <"$file"; echo
  base64 <"$file"
  base64 --wrap=0 <"$file" | base64 --wrap=0; echo
  gzip --stdout <"$file" | base64 --wrap=0; echo
  xz --stdout <"$file" | base64 --wrap=0; echo
  od -An -v -tx1 <"$file" | tr -d ' \n' | sed 's/../%&/g'; echo
done
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """Options and environment of a run, and the needles that nothing of it may have, by name."""

    options: tuple[str, ...]
    env: Mapping[str, str]
    needles: Mapping[str, str]


def plant(folder: Path) -> Planted:
    """Write the inputs into `folder`."""
    word = {name: secrets.token_hex(12) for name in ("pull", "url", "proxy", "kube", "admin")}
    key, needle_of_key = _private_key()
    hashed = f"$2a$10${secrets.token_hex(26)}a"
    token = f"sha256~{secrets.token_urlsafe(32)}"
    join = f"{secrets.token_hex(3)}.{secrets.token_hex(8)}"
    authfile = folder / "auth.json"
    login = base64.b64encode(f"planted:{word['pull']}".encode()).decode()
    authfile.write_text(json.dumps({"auths": {"registry.example.com": {"auth": login}}}))
    texts = {
        "pull-secret": authfile.read_text(), "ssh-key": key, "token": f"token: {token}\n",
        "join": f"kubeadm join --token {join}\n", "kubeconfig": _kubeconfig(word["kube"], key),
        "kubeadmin": _kubeadmin(hashed),
        "url": f"proxy is https://planted:{word['url']}@proxy.example.com:3128/\n",
    }  # fmt: skip
    config = folder / "planted.ign"
    config.write_text(json.dumps(_config(texts, word["admin"])))
    proxy = f"http://planted:{word['proxy']}@127.0.0.1:9"
    return Planted(
        options=(f"--authfile={authfile}", f"--ignition={config}"),
        # Nothing of a run on stand-ins goes out.
        env={"https_proxy": proxy, "HTTPS_PROXY": proxy, "NO_PROXY": "127.0.0.1,localhost"},
        needles={
            "pull secret": word["pull"], "SSH key": needle_of_key, "token": token[7:],
            "join token": join[7:], "kubeconfig": word["kube"], "kubeadmin hash": hashed[7:],
            "URL": word["url"], "proxy in the environment": word["proxy"],
            "password hash": word["admin"],
        },
    )  # fmt: skip


def _private_key() -> tuple[str, str]:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    ).decode()  # fmt: skip
    return pem, pem.splitlines()[3][:40]


def _kubeconfig(token: str, key: str) -> str:
    data = base64.b64encode(key.encode()).decode()
    return (
        "apiVersion: v1\nkind: Config\nusers:\n- name: admin\n  user:\n"
        f"    client-key-data: {data}\n    token: {token}\n"
    )


def _kubeadmin(hashed: str) -> str:
    data = base64.b64encode(hashed.encode()).decode()
    return (
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: kubeadmin\n  namespace: kube-system\n"
        f"data:\n  kubeadmin: {data}\n"
    )


def _config(texts: Mapping[str, str], password: str) -> Document:
    files = [
        File(path=f"{_FOLDER}/{name}", contents=text, mode=_PRIVATE) for name, text in texts.items()
    ]
    script = File(path="/usr/local/bin/print-planted", contents=_PRINT, mode=0o755)
    unit = Unit(name="planted.service", enabled=True, contents=(
        "[Unit]\nDescription=Print planted secrets\nBefore=node-image-pull.service\n"
        "[Service]\nType=oneshot\nExecStart=/usr/local/bin/print-planted\n"
        "StandardOutput=journal+console\n[Install]\nWantedBy=multi-user.target\n"
    ))  # fmt: skip
    document = Config(files=(*files, script), units=(unit,)).to_document()
    user: dict[str, Json] = {"name": "planted", "passwordHash": f"$6$planted${password}"}
    return {**document, "passwd": {"users": [user]}}
