"""What a deployer can do about the failures that SSH, sudo and Ansible report in their own words."""

from __future__ import annotations

import re

# The first that is found in the message counts; {school} is the school's name.
REMEDIES: tuple[tuple[str, str], ...] = (
    (
        r"rolled back to .*, but not wholly:",
        "Look at {school} before anything else, then apply again; what was there meanwhile is in "
        "/var/lib/sugar-deploy/rolled-back",
    ),
    (
        r"rolled back to ",
        "{school} serves as before. Mend what the cause names, or `sugar-deploy repo rollback`; then apply again",
    ),
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key for \S+ has changed",
        "It shows another host key than the pinned one: `sugar-deploy host add {school}` shows both",
    ),
    (
        r"Host key verification failed|No \S+ host key is known for",
        "Its host key is not pinned in known_hosts: run `sugar-deploy host add {school}`",
    ),
    (r"Permission denied \(", "It refuses your SSH key: `sugar-deploy host add {school}` installs it"),
    (
        r"Missing sudo password|Incorrect sudo password|sudo: a password is required|sudo: no password was provided",
        "`sugar-deploy host add {school}` asks for sudo's password and keeps it in the vault",
    ),
    (r"sudo: (command )?not found|is not in the sudoers file", "See `sugar-deploy host probe {school}`"),
    (r"Could not resolve hostname", "Correct server.address of {school} in deployment.yml, or your DNS"),
    (
        r"Connection (timed out|refused|closed|reset)|No route to host|Network is unreachable|Host is down"
        r"|Connection to \S+ closed|timed out during banner exchange|Timeout, server \S+ not responding",
        "Is {school} on, and its address right? When it answers: sugar-deploy apply --resume, or the backup or "
        "restore again",
    ),
    (
        # What Ansible says instead of ssh's own words when ssh ends before it is written to.
        r"Broken pipe",
        "The connection broke at its beginning: `sugar-deploy host probe {school}` tells why; if it was never added, "
        "`sugar-deploy host add {school}`",
    ),
    (r"python3?: (command )?not found|No python interpreters found", "On the machine: apt-get install python3"),
    (r"No space left on device|not enough free space", "The disk of {school} is full: make room on it"),
    (
        r"Attempting to decrypt but no vault secrets found",
        "Name the vault password's file in ANSIBLE_VAULT_PASSWORD_FILE",
    ),
)


def remedy(message: str, school: str) -> str:
    """The remedy for a message about a school's server; empty where none is known."""
    found = (text for pattern, text in REMEDIES if re.search(pattern, message))
    return next(found, "").format(school=school)
