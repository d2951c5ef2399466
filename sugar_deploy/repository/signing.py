"""Dates and signs a staged tree, with every key that counts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from sugar_deploy.files import write_atomically
from sugar_deploy.keys.gpg import Gpg
from sugar_deploy.repository.dates import dated
from sugar_deploy.repository.rpm.layout import PUBLISHED_UNDER
from sugar_deploy.repository.rpm.yum import add_yum


def sign_tree(gpg: Gpg, fingerprints: Sequence[str], tree: Path, suites: Collection[str], seconds: float) -> None:
    """Give the suites' Release files a date, in seconds since the epoch, and signatures by all keys."""
    signers = [word for fingerprint in fingerprints for word in ("--local-user", fingerprint)]
    options = ("--armor", "--digest-algo", "SHA512", *signers)
    for suite in suites:
        folder = tree / "dists" / suite
        text = dated((folder / "Release").read_text(), seconds)
        # Each is a new file: the former one may be linked to from a tree that is kept.
        write_atomically(folder / "Release", text, 0o644)
        write_atomically(folder / "InRelease", gpg.run("--clearsign", *options, text=text), 0o644)
        write_atomically(folder / "Release.gpg", gpg.run("--detach-sign", *options, text=text), 0o644)


def sign_yum_again(gpg: Gpg, fingerprints: Sequence[str], kept: Path, staged: Path) -> None:
    """The same for the yum repository of a tree that was published before, if it has one."""
    if (kept / PUBLISHED_UNDER).is_dir():
        add_yum(staged, kept / PUBLISHED_UNDER, gpg, fingerprints)
