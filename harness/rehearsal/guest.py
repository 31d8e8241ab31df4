"""What answers by SSH in a rehearsal, and the snapshots that it gives."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from harness.guest.live_apply import OBSERVE
from harness.model.clock import Deadline
from harness.model.node_state import SECTIONS
from harness.model.secret import Secret
from harness.node.dial import Endpoint
from harness.node.ssh import GuestCommandError, Result

Prepared = str | Result | Exception | Callable[[], str]
_ENDPOINT = Endpoint(address="127.0.0.1", port=1, client_key=Secret(""), host_key="")
_FILLED = {
    "boot-id": "00000000-0000-4000-8000-000000000000",
    "kernel": "6.1.0-rehearsal",
    "cmdline": "console=ttyS0",
    "os-release": 'ID=rhel\nVERSION_ID="9.6"',
}
SNAPSHOT = "".join(
    f"%%{name}\n{_FILLED[name]}\n" if name in _FILLED else f"%%{name}\n" for name in SECTIONS
) + ("%%end\n")


class Guest:
    """A session with every machine. A command that begins as none of `answers` prints nothing."""

    def __init__(self, answers: Mapping[str, Prepared]) -> None:
        self._answers = answers
        self.commands: list[str] = []

    def run(
        self, command: str, deadline: Deadline, *, check: bool = False, sudo: bool = True
    ) -> Result:
        """Return the prepared answer."""
        if command == OBSERVE:
            return Result(status=0, stdout=SNAPSHOT, stderr="")
        self.commands.append(command)
        known = (answer for begin, answer in self._answers.items() if command.startswith(begin))
        answer = next(known, "")
        if isinstance(answer, Exception):
            raise answer
        if not isinstance(answer, Result):
            printed = answer if isinstance(answer, str) else answer()
            return Result(status=0, stdout=printed, stderr="")
        if check and answer.status:
            raise GuestCommandError(_ENDPOINT, command, answer)
        return answer

    def read_text(self, path: str, deadline: Deadline) -> str:
        """Return the answer prepared for a path, else the snapshot before the node layer."""
        answer = self._answers.get(path, SNAPSHOT)
        return answer if isinstance(answer, str) else SNAPSHOT

    def boot_id(self, deadline: Deadline) -> str:
        """Return the boot ID of the snapshot."""
        return _FILLED["boot-id"]

    def wait_for_reboot(self, old_boot_ids: Collection[str], deadline: Deadline) -> None:
        """Return at once: the next kernel was seen."""

    def fresh(self, deadline: Deadline) -> Guest:
        """Return itself."""
        return self

    def close(self) -> None:
        """Close nothing."""

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
