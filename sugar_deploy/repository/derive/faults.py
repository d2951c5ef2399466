"""What apt complains about, in words that help: pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from sugar_deploy.errors import DeployError


class Kind(Enum):
    """Why apt could not fetch something; those that explain most come first."""

    FULL = r"No space left on device|\(28: |Disk quota exceeded|enough free space|write error|Write error"
    NOT_YET_VALID = r"is not valid yet"
    EXPIRED = r"is expired|has expired|Valid-Until"
    UNTRUSTED = (
        r"NO_PUBKEY|BADSIG|EXPKEYSIG|REVKEYSIG|not signed|couldn't be verified|keyring|Clearsigned file"
        r"|Missing key|verification failed|No good signature"
    )
    MOVING = r"unexpected size|Hash Sum mismatch|Mirror sync in progress"
    UNREACHABLE = (
        r"resolv|[Cc]ould not connect|[Cc]onnection (?:failed|refused|timed out|reset)|Unable to connect"
        r"|[Cc]annot initiate the connection|Network is unreachable|No route to host|[Tt]imed out|[Tt]imeout"
        r"|Temporary failure|Error reading from server|Undetermined Error|5\d\d  "
    )
    MISSING = r"404  |does not have a Release file|doesn't support architecture|File not found"
    OTHER = r""


@dataclass(frozen=True, slots=True)
class Fault:
    """The kind of a failure, and the line in which apt says it best."""

    kind: Kind
    line: str


def read_fault(stderr: str) -> Fault:
    """The failure that explains the others."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    for kind in Kind:
        for line in lines:
            if re.search(kind.value, line):
                return Fault(kind, re.sub(r"^[EWN]: ", "", line).strip().rstrip("."))
    return Fault(Kind.OTHER, "no reason given")


def explain(fault: Fault, cache: Path, now: str) -> DeployError:
    """The error for a failure; `now` is this machine's time, for people."""
    what, remedy = {
        Kind.FULL: (f"the disk that holds {cache} is full", "Make room there, and call again: it carries on"),
        Kind.NOT_YET_VALID: (
            f"this machine's clock says {now}, which is before the Debian mirror's indexes were signed",
            "Set the clock: sudo timedatectl set-ntp true",
        ),
        Kind.EXPIRED: (
            f"by this machine's clock ({now}) the Debian mirror's indexes have expired: either the clock is ahead, "
            "or the mirror is no longer kept up to date",
            "Set the clock (sudo timedatectl set-ntp true), or name another mirror: repository.mirror",
        ),
        Kind.UNTRUSTED: (
            "the Debian mirror's indexes are not signed by a key of Debian that this machine knows",
            "Bring Debian's keys up to date (sudo apt-get install debian-archive-keyring); if that does not help, "
            "do not trust this mirror, and name another one: repository.mirror",
        ),
        Kind.MOVING: (
            "the Debian mirror is in the middle of an update, or something on the way changes what it sends",
            "Try again in half an hour, or name another mirror: repository.mirror",
        ),
        Kind.UNREACHABLE: (
            "the Debian mirror cannot be reached, and this machine holds no earlier copy of all that is needed",
            "Connect this machine to the Internet, or name a mirror that it can reach: repository.mirror",
        ),
        Kind.MISSING: (
            "the Debian mirror does not have what it should have",
            "Correct repository.mirror, repository.security_mirror, repository.suites or repository.architectures",
        ),
        Kind.OTHER: ("apt cannot fetch Debian's packages", "Call again: it carries on"),
    }[fault.kind]
    return DeployError(f"{what}: {fault.line}", remedy)
