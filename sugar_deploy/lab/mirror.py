"""The Debian mirror that the lab's machines fetch from: this machine's own, and no other."""

from __future__ import annotations

from sugar_deploy.repository.derive.mirror import Mirror, read_mirror

__all__ = ["Mirror", "read_mirror"]
