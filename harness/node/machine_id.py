"""A machine-id of a fork's own, in place of that of its checkpoint.

Programs that start afterwards see it. Those that run have read the former one, most of them once:
journald, kubelet, the message bus, systemd itself. So nothing is restarted. The journal's folder is
named for the machine-id. journald goes on to write into the former one, from which the evidence
comes; the new name leads there, so that a `journalctl` that starts now finds the journal as well.
Source: machine-id(5), systemd-machine-id-commit.service(8), sd_journal_open(3).
"""

from __future__ import annotations

import uuid

from harness.model.clock import Deadline
from harness.node.ssh import Shell

# Before its first boot is complete, a machine may have its id in memory: /etc/machine-id is then a
# read-only mount of the file in /run, which systemd commits to the disk later. Written in place,
# files keep their mount and their SELinux label. D-Bus reads its own file if it is not a link.
_RENEWAL = """\
set -e
new={new} root={root}
file=$root/etc/machine-id bus=$root/var/lib/dbus/machine-id
old=$(cat $file)
if mountpoint -q $file; then file=$root/run/machine-id; fi
echo $new > $file
if [ -f $bus ] && [ ! -L $bus ]; then echo $new > $bus; fi
for journal in $root/run/log/journal $root/var/log/journal; do
    if [ -d $journal/$old ]; then ln -s $old $journal/$new; fi
done"""


def renew(shell: Shell, deadline: Deadline) -> str:
    """Give a node a new machine-id, and return it.

    Raises:
        GuestCommandError: the node's files cannot be written.
    """
    new = uuid.uuid4().hex  # of version 4, as systemd makes them
    shell.run(renewal(new), deadline, check=True)
    return new


def renewal(new: str, root: str = "") -> str:
    """Return the command that makes `new` the machine-id of the system below `root`."""
    return _RENEWAL.format(new=new, root=root)
