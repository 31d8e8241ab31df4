"""The plugin's options, one row each; `options` reads them into `Settings`."""

from __future__ import annotations

from harness.scenarios.catalogue import EVERY_SCENARIO
from harness.workplace.places import Option

DEFAULT_SCENARIO = "ipi_bootstrap"
DEFAULT_URI = "qemu:///embed"

OPTIONS = (
    Option(
        name="bootimage", metavar="PATH|URL", path=True,
        help="Bootimage: a qcow2 or raw disk image, plain or .gz, .xz or .zst, or a disk in CoreOS "
        "stream metadata as stream:FILE#x86_64/qemu/qcow2.gz (FILE may be a URL). Without it and "
        "--node-image the stand-in images are used; the first run builds them.",
    ),
    Option(
        name="bootimage-sha256", metavar="SUM",
        help="sha256 sum of the published bootimage. A URL needs it, or a .sha256 file beside it.",
    ),
    Option(
        name="fat-bootimage", metavar="PATH|URL", path=True,
        help="Bootimage with the node layer inside, for the scenario fat. "
        "Default with the stand-ins: the stand-in.",
    ),
    Option(
        name="live-iso", metavar="PATH", path=True,
        help="Live ISO of the bootimage's version, for the scenarios that start from live media. "
        "Default with the stand-ins: the stand-in.",
    ),
    Option(
        name="image", metavar="KEY=PATH|URL", repeatable=True, path=True,
        help="Disk image or live ISO (no URL) for a project's scenario whose medium has "
        "image='KEY'. May be repeated.",
    ),
    Option(
        name="node-image", metavar="REFERENCE",
        help="Node image with its transport: docker://, oci:, oci-archive:, dir:, "
        "containers-storage: or docker-archive:.",
    ),
    Option(
        name="release-image", metavar="REFERENCE",
        help="Release image that contains the node image, instead of --node-image.",
    ),
    Option(
        name="os-stream", metavar="NAME",
        help="Stream of the node image in the release, such as rhel-9 or rhel-10. Default: from "
        "the RHEL version in the bootimage's name.",
    ),
    Option(
        name="base-image", metavar="REFERENCE", for_tests=True,
        help="CoreOS image that the node image was built from, for contract tests.",
    ),
    Option(
        name="extensions", metavar="REFERENCE", for_tests=True,
        help="Extensions image that belongs to the node image, for contract tests. "
        "Default: that of the release.",
    ),
    Option(
        name="driver-toolkit", metavar="REFERENCE", for_tests=True,
        help="Driver toolkit that belongs to the node image, for contract tests. "
        "Default: that of the release.",
    ),
    Option(
        name="arch", metavar="ARCH", for_tests=True,
        help="Architecture of the images of contract tests, as `uname -m` prints it. Default: the "
        "host's, the only one of machines.",
    ),
    Option(
        name="authfile", metavar="PATH", path=True,
        help="Pull secret for registries. The guest gets it only if it pulls from a remote one.",
    ),
    Option(
        name="ignition", metavar="PATH", repeatable=True, path=True,
        help="Ignition config (JSON, 3.0 to 3.6) to merge into the machines' configs. May be "
        "repeated.",
    ),
    Option(
        name="bootstrap-ignition", metavar="PATH", path=True,
        help="Config of `openshift-install create ignition-configs` (bootstrap.ign) or `create "
        "single-node-ignition-config`, which names its own release. The bootstrap scenarios, sno "
        "and sno_pxe boot it unchanged, with logins and evidence added.",
    ),
    Option(
        name="live-ignition", metavar="PATH", path=True,
        help="Config of a discovery ISO, for the scenario assisted, or of an agent ISO, for the "
        "scenario agent: `coreos-installer iso ignition show` prints it. The scenario boots it "
        "unchanged, with logins and evidence added.",
    ),
    Option(
        name="expectations", metavar="NAME|PATH", path=True,
        help="Expectation table: a built-in name or a TOML file. "
        "Default: selected by the labels of the node image.",
    ),
    Option(
        name="scenario", metavar="NAME", repeatable=True, for_tests=True,
        help=f"Scenario that brings a node up, or `{EVERY_SCENARIO}`. May be repeated. "
        f"Default: {DEFAULT_SCENARIO}.",
    ),
    Option(
        name="shard", metavar="K/N", for_tests=True,
        help="Run part K of N of the selected tests; whole scenarios and files stay together. N "
        "alone takes K from JOB_COMPLETION_INDEX, as in an indexed job of Kubernetes; $SHARD_ARGS "
        "of OpenShift's CI is accepted too. With --history the parts take equal time, and the "
        "file is only read. `node-image report merge` makes one report of all parts.",
    ),
    Option(
        name="until", metavar="STEP", for_tests=True,
        help="Stop the scenario after this step, print how to log in, and keep the machines until "
        "Ctrl-C. `node-image scenarios` lists the steps.",
    ),
    Option(
        name="debug-node", for_tests=True,
        help="Open a shell in the node of each red test, before the node goes away. Without a "
        "terminal, only say so.",
    ),
    Option(
        name="fresh", for_tests=True,
        help="Boot a machine for each test that asks for a node of its own, and keep no "
        "checkpoint. Default: such a test gets a fork, which starts from a checkpoint in seconds.",
    ),
    Option(
        name="checkpoints", metavar="MODE",
        help="`keep`: keep checkpoints for later runs, whose tests with nodes of their own then "
        "start in seconds, without a boot. `keep-secrets`: also those that have secrets which you "
        "brought, such as a pull secret. Default: `run`, they end with the run.",
    ),
    Option(
        name="libvirt-uri", metavar="URI",
        help=f"libvirt driver, such as qemu:///session. Default: {DEFAULT_URI}, without a daemon.",
    ),
    Option(
        name="require-kvm",
        help="Fail at once if KVM does not work. Default: run in emulation.",
    ),
    Option(
        name="timeout-factor", metavar="NUMBER",
        help="Multiply the time limits for guests, in addition to the factor for emulation. "
        "Default: 1.",
    ),
    Option(
        name="memory-mib", metavar="MIB",
        help="Memory of each machine in MiB. Default: the scenario's.",
    ),
    Option(
        name="hardware", metavar="WORDS",
        help="Hardware of the machines, such as uefi,tpm. Words: bios, uefi, secure-boot, 4k, "
        "multipath, tpm, second-nic. Default: the usual one of the architecture.",
    ),
    Option(
        name="artifacts-dir", metavar="PATH", path=True,
        help="Folder for reports, consoles, journals and snapshots: one folder for each run, and "
        "the link `last`. Default: $ARTIFACT_DIR/node-image, else the cache folder.",
    ),
    Option(
        name="allow", metavar="PATH", path=True,
        help="Allow-list (TOML) of known problems, each with a link to an issue and an expiry "
        "date. They are reported as allowed.",
    ),
    Option(
        name="rules", metavar="PATH", repeatable=True, path=True,
        help="Your own rules of diagnosis (TOML). They apply before the shipped ones; a rule with "
        "the name of a shipped rule replaces it. May be repeated.",
    ),
    Option(
        name="history", metavar="PATH", path=True,
        help="SQLite file, for `node-image history`. Each run that boots machines is added to it.",
    ),
    Option(
        name="download-cache-size", metavar="SIZE",
        help="Limit of the cache of downloaded and unpacked images, in MiB, GiB or TiB, such as "
        "50GiB. Default: 20GiB.",
    ),
)  # fmt: skip
