"""The CoreOS layer: Debian's tree made into an ostree-shaped, read-only /usr operating system."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness import process
from harness.model.clock import Deadline
from harness.standin import rpm
from harness.standin.recipe import FOLDER, Recipe

# In /var on a running system; links in the tree, as ostree expects.
_VAR_LINKS = {
    "home": "var/home",
    "root": "var/roothome",
    "opt": "var/opt",
    "srv": "var/srv",
    "mnt": "var/mnt",
    "ostree": "sysroot/ostree",
    "usr/local": "../var/usrlocal",
}
_EMPTY = ("dev", "proc", "run", "sys", "sysroot", "boot", "var", "media", "tmp")
_UNMOUNT_S = 60.0
_DRIVERS = (
    "virtio_blk virtio_pci virtio_console virtio_net virtio_rng virtio_scsi ext4 qemu_fw_cfg "
    "iso9660 sd_mod sr_mod overlay loop squashfs"
)
_OMIT = (
    "lvm crypt dm dmraid mdraid nfs iscsi nbd cifs fcoe plymouth btrfs zfs multipath biosdevname"
)


def customise(tree: Path, recipe: Recipe, programs: Mapping[str, Path], version: str) -> None:
    """Turn Debian's tree into the CoreOS layer, except for rpmdb, initramfs and `shape`."""
    shutil.copytree(FOLDER / "coreos", tree, symlinks=True, dirs_exist_ok=True)
    _own_by_root(tree, FOLDER / "coreos")
    (tree / "etc/sudoers.d/coreos-wheel").chmod(0o440)
    _install_tools(tree, programs)
    os_release = "".join(f"{line}\n" for line in os_release_lines(recipe, version))
    (tree / "usr/lib/os-release").write_text(os_release, encoding="utf-8")
    _name_as_on_rhel(tree)
    units = tree / "usr/lib/systemd/system"
    shutil.copy(tree / "usr/share/systemd/tmp.mount", units / "tmp.mount")
    (units / "default.target").unlink()
    (units / "default.target").symlink_to("multi-user.target")
    with (tree / "etc/group").open("a", encoding="utf-8") as group:
        group.write("wheel:x:10000:\n")
    _move_selinux_store(tree)


def os_release_lines(recipe: Recipe, version: str) -> tuple[str, ...]:
    """Return os-release as the design document has it, plus the field `STAND_IN`.

    Source: enhancement:411-426.
    """
    return (
        'NAME="Red Hat Enterprise Linux CoreOS"',
        f'VERSION="{version} (Plow)"',
        'ID="rhel"',
        'ID_LIKE="fedora"',
        f'VERSION_ID="{recipe.base_version}"',
        'PLATFORM_ID="platform:el9"',
        f'PRETTY_NAME="Red Hat Enterprise Linux CoreOS {version} (Plow)"',
        'VARIANT="CoreOS"',
        'VARIANT_ID="coreos"',
        f'OSTREE_VERSION="{version}"',
        'STAND_IN="built from Debian 12 packages, not RHEL"',
    )


def prune(tree: Path, patterns: Iterable[str]) -> None:
    """Remove what matches `patterns`, globs below `tree`, and the links that want removed units."""
    for pattern in patterns:
        for path in tree.glob(pattern):
            _remove(path)
    for folder in (tree / "usr/lib/systemd").rglob("*.wants"):
        for link in folder.iterdir():
            if link.is_symlink() and not _target(tree, link).exists():
                link.unlink()


def enter_packages(tree: Path, folder: Path, deadline: Deadline) -> int:
    """Build the rpmdb with every Debian package of the tree; return their number."""
    packages = rpm.debian_packages(tree)
    rpms = rpm.build(packages, tree, folder, deadline)
    rpm.install(rpms.glob("*.rpm"), tree, deadline, just_database=True)
    return len(packages)


def make_initramfs(tree: Path, deadline: Deadline) -> str:
    """Run dracut inside the tree with Ignition and ostree; return the kernel version."""
    (kernel,) = (path.name for path in (tree / "usr/lib/modules").iterdir())
    modules = tree / "usr/lib/modules" / kernel
    for name in ("vmlinuz", "config", "System.map"):
        shutil.move(tree / f"boot/{name}-{kernel}", modules / name)
    shutil.copytree(FOLDER / "dracut", tree / "usr/lib/dracut/modules.d", dirs_exist_ok=True)
    with mounted(tree, deadline):
        process.run(
            [
                "chroot",
                tree,
                "dracut",
                "--force",
                "--no-hostonly",
                "--reproducible",
                "--zstd",
                "--kver",
                kernel,
                "--add",
                "ostree ignition stand-in live",
                "--omit",
                _OMIT,
                "--drivers",
                _DRIVERS,
                f"/usr/lib/modules/{kernel}/initramfs.img",
            ],
            deadline,
        )
    return kernel


@contextmanager
def mounted(tree: Path, deadline: Deadline) -> Iterator[None]:
    """Mount the API file systems inside a tree, for programs run there by chroot."""
    binds = (("--rbind", "/dev", "dev"), ("--rbind", "/sys", "sys"), ("-tproc", "proc", "proc"))
    with ExitStack() as stack:
        for kind, source, name in binds:
            process.run(["mount", kind, source, tree / name], deadline)
            stack.callback(_unmount, tree / name)
        yield


def _unmount(path: Path) -> None:
    # With its own deadline: that of the build may be over.
    process.run(["umount", "--lazy", path], Deadline.after(_UNMOUNT_S))


def shape(tree: Path) -> None:
    """Give the tree the shape of an ostree deployment: /usr/etc, and links into /var."""
    for name in _EMPTY:
        _remove(tree / name)
        (tree / name).mkdir(mode=0o755)
    for name, target in _VAR_LINKS.items():
        _remove(tree / name)
        (tree / name).symlink_to(target)
    (tree / "etc").rename(tree / "usr/etc")


def _install_tools(tree: Path, programs: Mapping[str, Path]) -> None:
    extensions = tree / "usr/libexec/libostree/ext"
    extensions.mkdir(parents=True, exist_ok=True)
    shutil.copy(programs["ostree-container"], extensions / "ostree-container")
    for name in ("rpm-ostree", "coreos-installer"):
        shutil.copy(programs[name], tree / "usr/bin" / name)


def _name_as_on_rhel(tree: Path) -> None:
    """Make bash the shell and sshd.service the unit of sshd: the installer's scripts name them."""
    shell = tree / "usr/bin/sh"
    shell.unlink()
    shell.symlink_to("bash")
    units = tree / "usr/lib/systemd/system"
    (units / "ssh.service").rename(units / "sshd.service")
    (tree / "etc/systemd/system/sshd.service").unlink(missing_ok=True)
    rescue = units / "rescue-ssh.target"
    text = rescue.read_text(encoding="utf-8")
    rescue.write_text(text.replace(" ssh.service", " sshd.service"), encoding="utf-8")


def _target(tree: Path, link: Path) -> Path:
    """Return where a link of the tree leads, an absolute one from the tree's root."""
    target = link.readlink()
    return tree / target.relative_to("/") if target.is_absolute() else link.parent / target


def _move_selinux_store(tree: Path) -> None:
    # /var is emptied; CoreOS also keeps the module store in /etc.
    store = tree / "var/lib/selinux/default"
    if store.is_dir():
        shutil.copytree(store, tree / "etc/selinux/default", symlinks=True, dirs_exist_ok=True)
        with (tree / "etc/selinux/semanage.conf").open("a", encoding="utf-8") as conf:
            conf.write("store-root = /etc/selinux\n")


def _own_by_root(tree: Path, overlay: Path) -> None:
    for path in overlay.rglob("*"):
        os.lchown(tree / path.relative_to(overlay), 0, 0)


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
