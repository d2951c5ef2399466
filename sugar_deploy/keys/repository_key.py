"""The keys that sign a deployment's APT repository.

Ed25519: apt accepts it on Debian 12 (gpgv) and on Debian 13 (sqv), it is made in an instant even where there
is little entropy, and its signatures add 150 bytes to a Release file where those of RSA-4096 add 750.

There is one key, or two while a new one takes over from a former one: then both sign and both are trusted, so that
a server needs to know only one of them. Which keys count is what the secrets hold, not what a GnuPG home holds.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.files import write_atomically
from sugar_deploy.folder import Folder
from sugar_deploy.keys.armor import joined
from sugar_deploy.keys.gpg import Gpg, opened
from sugar_deploy.keys.secrets import Secrets

ALGORITHM = "ed25519"
VALID_FOR = "5y"
PASSPHRASE = "repository_passphrase"  # noqa: S105 (the secret's name)
PRIVATE_KEY = "repository_private_key"
FORMER_KEY = "repository_former_key"
DAY_SECONDS = 86400
WARNING_DAYS = 180
REFUSAL_DAYS = 14


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair of the repository's; times in seconds since the epoch."""

    fingerprint: str
    expires_at: int
    created_at: int = 0

    def days_left(self, now: float) -> int:
        """Whole days until the key expires; negative when it has."""
        return int((self.expires_at - now) // DAY_SECONDS)


@contextlib.contextmanager
def signing_keys(
    folder: Folder, deployment: str, secrets: Secrets | None = None
) -> Iterator[tuple[Gpg, tuple[SigningKey, ...]]]:
    """The deployment's keys, the present one first and then a former one that still signs beside it.

    They are made or restored from the secrets if need be, and the file of public keys is brought up to date.
    """
    secrets = secrets or Secrets(folder, deployment)
    with opened(folder.repository / "gnupg", secrets.generate(PASSPHRASE)) as gpg:
        yield gpg, _ensure(gpg, folder, deployment, secrets)


@contextlib.contextmanager
def signing_key(folder: Folder, deployment: str, secrets: Secrets | None = None) -> Iterator[tuple[Gpg, SigningKey]]:
    """The deployment's present key alone."""
    with signing_keys(folder, deployment, secrets) as (gpg, keys):
        yield gpg, keys[0]


def signers(keys: Sequence[SigningKey], now: float | None = None) -> tuple[str, ...]:
    """The fingerprints of the keys that can sign: a former one that has expired meanwhile cannot."""
    at = time.time() if now is None else now
    return tuple(key.fingerprint for number, key in enumerate(keys) if number == 0 or key.expires_at > at)


def _ensure(gpg: Gpg, folder: Folder, deployment: str, secrets: Secrets) -> tuple[SigningKey, ...]:
    kept = secrets.find(PRIVATE_KEY)
    if kept is None:
        # `gpg --quick-generate-key` killed half-way leaves no key at all, so that it can simply run again.
        key = next(iter(_listed(gpg)), None) or _generate(gpg, deployment)
        secrets.set(PRIVATE_KEY, _private(gpg, key))
        keys = [key]
    else:
        keys = [_restored(gpg, kept, PRIVATE_KEY, folder)]
        if (former := secrets.find(FORMER_KEY)) and (old := _restored(gpg, former, FORMER_KEY, folder)) not in keys:
            keys.append(old)
    counting = signers(keys)
    _write_public(gpg, [key for key in keys if key.fingerprint in counting], folder.repository_key)
    return tuple(keys)


def _generate(gpg: Gpg, deployment: str) -> SigningKey:
    before = {key.fingerprint for key in _listed(gpg)}
    gpg.run("--quick-generate-key", "--yes", f"{deployment} repository", ALGORITHM, "sign", VALID_FOR)
    made = [key for key in _listed(gpg) if key.fingerprint not in before]
    if not made:
        raise DeployError(f"gpg made no key in {gpg.home}")
    return made[0]


def _restored(gpg: Gpg, text: str, secret: str, folder: Folder) -> SigningKey:
    """The key that a secret holds, imported unless the home has it as it is."""
    why = "it holds none"
    try:
        shown = parse_keys(gpg.run("--show-keys", "--with-colons", text=text))
    except DeployError as error:
        shown, why = (), error.message
    if not shown:
        raise DeployError(
            f"the private key cannot be read from the secret {secret} of {folder.secrets}: {why}",
            "Restore it from a copy",
        )
    if shown[0] not in _listed(gpg):
        gpg.run("--import", text=text)
    for key in _listed(gpg):
        if key.fingerprint == shown[0].fingerprint:
            return key
    raise DeployError(f"gpg cannot take the key of the secret {secret} into {gpg.home}")


def _listed(gpg: Gpg) -> tuple[SigningKey, ...]:
    return parse_keys(gpg.run("--with-colons", "--list-secret-keys"))


def _private(gpg: Gpg, key: SigningKey) -> str:
    return gpg.run("--armor", "--export-secret-keys", key.fingerprint)


def parse_keys(listing: str) -> tuple[SigningKey, ...]:
    """The secret keys of `gpg --with-colons --list-secret-keys` or `--show-keys`."""
    found: list[SigningKey] = []
    times: tuple[int, int] | None = None
    for line in listing.splitlines():
        fields = line.split(":")
        if fields[0] == "sec":
            times = int(fields[6] or 2**40), int(fields[5] or 0)
        elif fields[0] == "fpr" and times is not None:
            found.append(SigningKey(fields[9], *times))
            times = None
    return tuple(found)


def _write_public(gpg: Gpg, keys: Sequence[SigningKey], path: Path) -> None:
    # One by one: gpg gives several in the order of its keyring, which differs from machine to machine.
    public = joined(gpg.run("--armor", "--export", key.fingerprint) for key in keys)
    if not path.exists() or path.read_text() != public:
        write_atomically(path, public, 0o644)


def require_valid(key: SigningKey, folder: Folder, now: float | None = None) -> str:
    """Raise DeployError if the key cannot sign now; a warning if that is near, else an empty text."""
    now = time.time() if now is None else now
    days = key.days_left(now)
    date = day(key.expires_at)
    if now < key.created_at:
        raise DeployError(
            f"this machine's clock says {day(now)}, which is before the repository's signing key was made "
            f"({day(key.created_at)})",
            "Set the clock: sudo timedatectl set-ntp true",
        )
    renew = f"Renew it, and apply to every server before that day: sugar-deploy repo key --renew -C {folder.root}"
    if days < 0:
        raise DeployError(f"the repository's signing key expired on {date}", renew)
    if days < REFUSAL_DAYS:
        raise DeployError(f"the repository's signing key expires on {date}, in {days} days", renew)
    if days < WARNING_DAYS:
        return f"The repository's signing key expires on {date}, in {days} days. {renew}"
    return ""


def day(seconds: float) -> str:
    """A time as a date, in UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def renew(folder: Folder, deployment: str) -> SigningKey:
    """Let the deployment's present key live five years from now on; its fingerprint stays."""
    secrets = Secrets(folder, deployment)
    with signing_keys(folder, deployment, secrets) as (gpg, keys):
        gpg.run("--quick-set-expire", keys[0].fingerprint, VALID_FOR)
        secrets.set(PRIVATE_KEY, _private(gpg, keys[0]))
        return _ensure(gpg, folder, deployment, secrets)[0]


def rotate(folder: Folder, deployment: str) -> tuple[SigningKey, SigningKey]:
    """Make a new key beside the present one, which becomes the former: (new, former)."""
    secrets = Secrets(folder, deployment)
    with signing_keys(folder, deployment, secrets) as (gpg, keys):
        if len(keys) > 1:
            raise UsageError(
                f"a rotation is under way: {keys[0].fingerprint} takes over from {keys[1].fingerprint}",
                f"End it first: sugar-deploy repo key --retire -C {folder.root}",
            )
        new = _generate(gpg, deployment)
        # In this order: whatever moment it is killed at, the secrets hold the key that servers trust.
        secrets.set(FORMER_KEY, _private(gpg, keys[0]))
        secrets.set(PRIVATE_KEY, _private(gpg, new))
        _ensure(gpg, folder, deployment, secrets)
        return new, keys[0]


def retire(folder: Folder, deployment: str) -> tuple[SigningKey, SigningKey]:
    """End a rotation: the former key is destroyed, and no longer trusted; (present, former)."""
    secrets = Secrets(folder, deployment)
    require_former(folder, deployment)
    with signing_keys(folder, deployment, secrets) as (gpg, keys):
        if len(keys) < 2:
            raise _nothing_to_retire(folder)
        secrets.drop(FORMER_KEY)
        _ensure(gpg, folder, deployment, secrets)
        gpg.run("--delete-secret-and-public-key", "--yes", keys[1].fingerprint)
        return keys[0], keys[1]


def require_former(folder: Folder, deployment: str) -> None:
    """Raise UsageError unless a rotation is under way; makes no key, where there is none at all."""
    if Secrets(folder, deployment).find(FORMER_KEY) is None:
        raise _nothing_to_retire(folder)


def _nothing_to_retire(folder: Folder) -> UsageError:
    return UsageError(
        "there is no former key to retire",
        f"Make a new key first: sugar-deploy repo key --rotate -C {folder.root}",
    )
