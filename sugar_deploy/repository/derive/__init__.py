"""Derives from Debian what a deployment needs: resolved by apt, downloaded once, proved, kept for the next time."""

from sugar_deploy.repository.derive.deriving import archive_cache, derive

__all__ = ["archive_cache", "derive"]
