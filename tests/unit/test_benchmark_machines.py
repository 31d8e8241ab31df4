"""The machines that ours are compared with: the same command line, with files of their own."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.bare import Own, bare_words
from benchmarks.peer import environment

OWN = Own(folder=Path("/own"), disk=Path("/own/disk"), ignition=Path("/own/ign"), port=2222)
WORDS = """\
/usr/bin/qemu-system-x86_64
-name|guest=node-image-run-1,debug-threads=on
-S
-object|{"qom-type":"secret","id":"masterKey0","file":"/run/master-key.aes"}
-machine|pc-q35-7.2,usb=off,memory-backend=pc.ram
-accel|tcg,tb-size=256
-cpu|Nehalem
-m|2048
-object|{"qom-type":"memory-backend-ram","id":"pc.ram","size":2147483648}
-smp|2,sockets=2,cores=1,threads=1
-fw_cfg|name=opt/com.coreos/config,file=/run/config.ign
-display|none
-no-user-config
-nodefaults
-chardev|socket,id=charmonitor,fd=27,server=on,wait=off
-mon|chardev=charmonitor,id=monitor,mode=control
-no-shutdown
-blockdev|{"driver":"file","filename":"/run/overlay.qcow2","node-name":"storage"}
-blockdev|{"node-name":"format","driver":"qcow2","file":"storage"}
-device|{"driver":"virtio-blk-pci","drive":"format"}
-add-fd|set=0,fd=23,opaque=serial0-source
-chardev|file,id=charserial0,path=/dev/fdset/0,append=on
-device|{"driver":"isa-serial","chardev":"charserial0"}
-add-fd|set=1,fd=24,opaque=channel0-source
-chardev|file,id=charchannel0,path=/dev/fdset/1,append=on
-device|{"driver":"virtserialport","chardev":"charchannel0","name":"org.node_image.journal"}
-netdev|user,id=net0,hostfwd=tcp:127.0.0.1:28392-:22
-device|virtio-net-pci,addr=0x10,netdev=net0
-sandbox|on,obsolete=deny
-msg|timestamp=on"""
OURS = [word for line in WORDS.splitlines() for word in line.split("|")]
BARE = """\
/usr/bin/qemu-system-x86_64
-machine|pc-q35-7.2,usb=off,memory-backend=pc.ram
-accel|tcg,tb-size=256
-cpu|Nehalem
-m|2048
-object|{"qom-type":"memory-backend-ram","id":"pc.ram","size":2147483648}
-smp|2,sockets=2,cores=1,threads=1
-fw_cfg|name=opt/com.coreos/config,file=/own/ign
-display|none
-no-user-config
-nodefaults
-blockdev|{"driver": "file", "filename": "/own/disk", "node-name": "storage"}
-blockdev|{"node-name":"format","driver":"qcow2","file":"storage"}
-device|{"driver":"virtio-blk-pci","drive":"format"}
-chardev|file,id=charserial0,path=/own/stream-0.log,append=on
-device|{"driver":"isa-serial","chardev":"charserial0"}
-chardev|file,id=charchannel0,path=/own/stream-1.log,append=on
-device|{"driver":"virtserialport","chardev":"charchannel0","name":"org.node_image.journal"}
-netdev|user,id=net0,hostfwd=tcp:127.0.0.1:2222-:22
-device|virtio-net-pci,addr=0x10,netdev=net0"""


def test_bare_qemu_has_the_same_machine_with_its_own_files_and_port() -> None:
    assert bare_words(OURS, OWN) == [word for line in BARE.splitlines() for word in line.split("|")]


def test_bare_qemu_without_ports_differs_in_them_alone() -> None:
    whole, plain = bare_words(OURS, OWN), bare_words(OURS, OWN, with_ports=False)

    left = list(whole)
    for word in plain:
        left.remove(word)

    assert len(left) == len(whole) - len(plain) == 4
    assert all("channel0" in word for word in left if not word.startswith("-"))


def test_labgrid_gets_the_same_processor_memory_config_and_disk() -> None:
    known = json.loads(environment(OURS, OWN, Path("/own/key")))
    target = known["targets"]["main"]
    qemu = target["drivers"]["QEMUDriver"]

    assert (qemu["cpu"], qemu["memory"], qemu["machine"]) == ("Nehalem", "2048M", "q35")
    assert "-fw_cfg name=opt/com.coreos/config,file=/own/ign" in qemu["extra_args"]
    assert "-accel tcg,tb-size=256 -smp 2,sockets=2" in qemu["extra_args"]
    assert known["images"]["disk"] == "/own/disk"
    assert known["tools"]["qemu"] == OURS[0]
    assert target["resources"]["NetworkService"]["port"] == 2222
    assert target["drivers"]["SSHDriver"]["keyfile"] == "/own/key"
