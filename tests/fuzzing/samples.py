"""Whole inputs of each reader, from which hostile ones are made."""

from __future__ import annotations

import json
import struct
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st
from images_fakes import tar_of

from fuzzing.strategies import changed_json, changed_text
from harness.machine.forking.key import FORMAT
from harness.report import document
from harness.report.history import store

ROOT = Path(__file__).parents[2] / "fixtures"
DIGEST = f"sha256:{'ab' * 32}"
_OCI = "application/vnd.oci.image"
_SECTOR = 2048


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _blob(kind: str) -> dict[str, Any]:
    return {"mediaType": f"{_OCI}.{kind}", "digest": DIGEST, "size": 7}


SCRIPTS = (
    "#!/bin/bash\nset -euo pipefail\nf() { jq -r .a <<<\"$1\"; }\n"
    'for x in "${A[@]:-oc}"; do "$x" get node || command -v f; done\n'
    "cat <<'EOF' | sudo bash -s\npodman run --rm q.example/x\nEOF\n",
    'release_image_for() { podman run "$1"; }\nwhile ! oc adm wait; do sleep 1; done\n'
    "case $1 in a) exec /usr/bin/b;; esac\neval \"$(echo 'c d')\"\n",
    "[Unit]\nAfter=b.service\n[Service]\nExecStart=/bin/sh -c 'oc get | jq .'\n"
    "ExecStartPre=-/usr/bin/podman pull x\n[Install]\nWantedBy=multi-user.target\n",
    "import subprocess\nsubprocess.run(['oc', 'get'], check=True)\n",
)  # fmt: skip


JSON: dict[str, Any] = {
    "manifest": {
        "schemaVersion": 2, "mediaType": f"{_OCI}.manifest.v1+json",
        "config": _blob("config.v1+json"), "layers": [_blob("layer.v1.tar+gzip")],
    },
    "config": {
        "architecture": "amd64", "os": "linux", "config": {"Labels": {"version": "9.6.2"}},
        "rootfs": {"type": "layers", "diff_ids": [DIGEST]},
        "history": [{"created_by": "RUN x"}, {"created_by": "ENV", "empty_layer": True}],
    },
    "index": {
        "schemaVersion": 2,
        "manifests": [
            {
                **_blob("manifest.v1+json"),
                "platform": {"architecture": "amd64", "os": "linux"},
                "annotations": {"org.opencontainers.image.ref.name": "t"},
            }
        ],
    },
    "references": {
        "kind": "ImageStream",
        "spec": {"tags": [
            {"name": "rhel-coreos",
             "from": {"kind": "DockerImage", "name": f"q.example/x@{DIGEST}"},
             "annotations": {"io.openshift.build.versions": "machine-os=9.6.20250203-0"}},
        ]},
    },
    "packages": {
        "rpmdb.pkglist": [["kernel-core", "0", "5.14.0", "570.el9", "x86_64"]], "a": "b",
    },
    "stream": {
        "stream": "rhel-9.6", "metadata": {"last-modified": "2026-01-01T00:00:00Z"},
        "architectures": {"x86_64": {
            "artifacts": {"qemu": {"release": "9.6.20250203-0", "formats": {"qcow2.gz": {"disk": {
                "location": "https://h.example/d.qcow2.gz", "sha256": "ab" * 32,
                "uncompressed-sha256": "cd" * 32,
            }}}}},
            "images": {"aws": {"regions": {"us-east-1": {"release": "9.6", "image": "ami-1"}}}},
        }},
    },
    "igninfo": {"file": "images/ignition.img", "offset": 0, "length": 512},
    "ignition": {
        "ignition": {"version": "3.4.0", "config": {"merge": [{"source": "data:,%7B%7D"}]}},
        "passwd": {"users": [{"name": "core", "sshAuthorizedKeys": ["ssh-ed25519 AAAA"]}]},
        "storage": {"files": [{
            "path": "/etc/x", "mode": 420, "contents": {"source": "data:;base64,eA==",
            "compression": "gzip"}, "overwrite": True,
        }]},
        "systemd": {"units": [{"name": "x.service", "enabled": True, "contents": "[Unit]\n"}]},
    },
    "report": json.loads(_text("examples/report-failed.json")),
    "shard": {
        **json.loads(_text("examples/report-failed.json")),
        "shard": {"number": 1, "count": 2, "tests": 40, "selection": "abc"},
    },
    "scripts": {
        "ignition": {"version": "3.4.0"},
        "storage": {"files": [
            {"path": "/usr/local/bin/a.sh", "mode": 493,
             "contents": {"source": f"data:,{quote(SCRIPTS[0])}"}},
            {"path": "/usr/local/bin/bootkube.sh",
             "contents": {"source": f"data:,{quote(SCRIPTS[1])}"}},
        ]},
        "systemd": {"units": [{
            "name": "a.service", "enabled": True, "contents": SCRIPTS[2],
            "dropins": [{"name": "10.conf", "contents": "[Service]\nExecStartPre=jq ."}],
        }]},
    },
    "node": {
        "metadata": {"name": "n", "labels": {"node.openshift.io/os_id": "rhel"}},
        "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "r"}]},
        "items": [{"metadata": {"name": "etcd-n"}, "state": "SANDBOX_READY"}],
        "containers": [{"labels": {"io.kubernetes.pod.name": "etcd-n"}, "state": "RUNNING"}],
    },
    "checkpoint": {
        "format": FORMAT, "scenario": "s", "step": "applied", "made": "2026-11-27T18:00:00+00:00",
        "drawn": [["key", "1234"]],
        "files": {name: {"bytes": 1, "sha256": "ab" * 32} for name in ("r", "s", "d")},
        "machines": {"node": {
            "origin": {
                "domain": "<domain/>", "emulator": "q", "processor": "p", "ignition": {"a": "b"},
                "images": {}, "step": "s",
            },
            "ram": "r", "state": "s", "layers": ["d"], "base_format": "raw", "notes": {"boots": 1},
        }},
    },
}  # fmt: skip


def json_inputs(*names: str) -> st.SearchStrategy[str]:
    """Documents with other values, and texts that are JSON no more."""
    seeds = [JSON[name] for name in names]
    return st.one_of(*map(changed_json, seeds), changed_text([*map(json.dumps, seeds)]))


SHORT = (
    f"docker://registry.example:5000/a/b:tag@{DIGEST}", "oci:/layout:t", "ab" * 32, DIGEST,
    f"{'ab' * 32}  disk\nSHA256 (disk) = {'cd' * 32}", "jq|0|1.6|2.1|x86_64",
    'NAME="Red Hat Enterprise Linux CoreOS"\nVERSION_ID="9.6"',
)  # fmt: skip
TABLES = (
    '[[allow]]\nrule = "unit-failed"\nreason = "BUG-1"\nexpires = 2027-01-01\n',
    _text("expectations/stand-in.toml"),
    _text("expectations/live-apply.toml")[:3000],
    '[[rule]]\nname = "x"\ncause = "c"\nadvice = "a"\nany_of = [{ text = "a(b+)" }]\n',
)
SNAPSHOTS = (_text("transcripts/observe-after.txt")[:6000], _text("transcripts/observe-before.txt"))
CONSOLE = tuple(_text("transcripts/diagnosis/phases-good-console.txt").split("\n")[:400])
EVENTS = tuple(_text("transcripts/diagnosis/phases-good-events.txt").split("\n")[:60])
JOURNAL = tuple(_text("transcripts/diagnosis/phases-good-journal.json").split("\n")[:60])


SECRET = "correct-horse-battery-staple"
SECRETS = (
    f"token: {SECRET}", "Authorization: Basic dXNlcjpwYXNz", "-----BEGIN PRIVATE KEY-----",
    "MIIEvQ", "-----END PRIVATE KEY-----", '{"auths": {"q.example": {"auth": "dXNlcjpwYXNz"}}}',
    "https://user:pass@h.example/x?token=abcdef", f"{SECRET[:9]}", f"{SECRET[9:]}",
)  # fmt: skip
REPOSITORY = (
    b'<repomd xmlns="http://linux.duke.edu/metadata/repo"><data type="primary"><checksum type='
    b'"sha256">' + b"ab" * 32 + b'</checksum><location href="repodata/primary.xml"/><size>9</size>'
    b"</data></repomd>",
    b'<metadata xmlns="http://linux.duke.edu/metadata/common"><package type="rpm"><name>a</name>'
    b'<arch>x86_64</arch><version epoch="0" ver="1" rel="2"/></package></metadata>',
)  # fmt: skip
_MBR = bytes(510) + b"\x55\xaa"
_GPT = struct.pack("<8s24xQ32xQII", b"EFI PART", 7, 2, 4, 128).ljust(512, b"\0")
_PARTITION = struct.pack(
    "<16s16sQQ8s72s", b"l" * 16, b"1" * 16, 3, 4, bytes(8), b"r\0o\0".ljust(72)
)
DISKS = (
    _MBR + bytes(512), _MBR + _GPT + _PARTITION.ljust(512, b"\0") + b"XFSB" + bytes(2044),
    b"KDMV" + bytes(600), b'{"a": 1}', b"<html>" + bytes(600),
)  # fmt: skip
ANSWERS = (
    '%%os-release\nNAME="x"\nVERSION="9.6.20250203-0 (Plow)"\nOSTREE_VERSION=\'9.6.20250203-0\'\n'
    "%%programs\n/usr/bin/bash\n%%units\nsshd.service\n%%files\n/etc/a\n%%end\n",
    "Id=kubelet.service\nLoadState=loaded\nActiveState=active\nSubState=running\nNRestarts=0\n"
    "Type=notify\nMainPID=17\nResult=success\n",
    "Version:  0.1.0\nRuntimeName:  cri-o\nRuntimeVersion:  1.32\n",
    "[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n",
)  # fmt: skip
WORDS = (
    "9.6.20250203-0", "418.94.202501221327-0", "4.19.0-rc.1", "9.8.20260403-0", "41.20250203.3.0",
    "1/3", "--shard-count 3 --shard-id 1", "2", "17", "1 2",
)  # fmt: skip


def _record(name: bytes, sector: int, size: int) -> bytes:
    head = struct.pack("<BxI4xI4x", 0, sector, size)
    body = head + bytes(14) + bytes([len(name)]) + name
    padded = body + bytes(len(body) % 2)
    return bytes([len(padded)]) + padded[1:]


def iso(info: bytes) -> bytes:
    """Return a live ISO of a few sectors, with the content of its igninfo.json."""
    last = 23 + -(-len(info) // _SECTOR)
    image = bytearray(_SECTOR * (last + 2))
    root = _record(b"\0", 20, _SECTOR)
    parts = {
        16: b"\1CD001",
        20: root + _record(b"COREOS", 21, _SECTOR) + _record(b"IMAGES", 22, _SECTOR),
        21: _record(b"IGNINFO.JSO;1", 23, len(info)), 22: _record(b"IGNITION.IMG;1", last, 1024),
        23: info,
    }  # fmt: skip
    for sector, content in parts.items():
        image[sector * _SECTOR : sector * _SECTOR + len(content)] = content
    image[16 * _SECTOR + 156 : 16 * _SECTOR + 156 + len(root)] = root
    return bytes(image)


def archive() -> bytes:
    """Return an archive of an OCI layout."""
    return tar_of(
        {"oci-layout": b"{}", "index.json": b"{}", f"blobs/sha256/{'ab' * 32}": b"x" * 700}
    )


def history() -> bytes:
    """Return a history with one run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "history.sqlite")
        store.append(path, document.read(ROOT / "examples/report-good.json"))
        return path.read_bytes()
