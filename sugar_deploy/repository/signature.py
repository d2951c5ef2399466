"""Checks signatures as apt does: with gpgv, against the deployment's own keys and nothing else."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.keys.armor import dearmor
from sugar_deploy.keys.gpg import clean_environment

__all__ = ["BadSignature", "ClockBehind", "check_detached", "dearmor", "judge", "keyring", "signed_text"]

_REASONS = {
    "EXPKEYSIG": "the signing key has expired",
    "REVKEYSIG": "the signing key has been revoked",
    "EXPSIG": "the signature has expired",
    "NO_PUBKEY": "it is signed by another key",
    "BADSIG": "it is not what was signed",
}
_BAD_KEY = "6"  # the last word but one of ERRSIG


class BadSignature(Exception):
    """Why a signature does not hold."""


class ClockBehind(BadSignature):
    """A signature that cannot be judged, because this machine's clock is before its date."""


@contextlib.contextmanager
def keyring(key: Path) -> Iterator[Path]:
    """Armoured public keys as gpgv wants them, for the time of a `with`."""
    try:
        content = dearmor(key.read_text())
    except FileNotFoundError:
        raise DeployError(f"there is no public key {key}", "Publish first: sugar-deploy repo publish") from None
    except ValueError as error:
        raise DeployError(f"{key} is damaged: {error}", "Write it again: sugar-deploy repo publish") from None
    with tempfile.NamedTemporaryFile(prefix="repository-key-", suffix=".gpg") as file:
        file.write(content)
        file.flush()
        yield Path(file.name)


def signed_text(file: Path, keys: Path) -> tuple[str, tuple[str, ...]]:
    """What an InRelease file signs, and the fingerprints of the trusted primary keys that signed it."""
    fingerprints, text = _gpgv(keys, "--output", "-", str(file))
    return text, fingerprints


def check_detached(signature: Path, file: Path, keys: Path) -> tuple[str, ...]:
    """The fingerprints of the trusted keys that signed a file; raises BadSignature unless there is one."""
    return _gpgv(keys, str(signature), str(file))[0]


def _gpgv(keys: Path, *arguments: str) -> tuple[tuple[str, ...], str]:
    result = subprocess.run(
        ["gpgv", "--status-fd", "2", "--keyring", str(keys), *arguments],
        env=clean_environment(),
        capture_output=True,
        check=False,
    )
    return judge(result.stderr.decode(errors="replace"), time.time()), result.stdout.decode(errors="replace")


def judge(status: str, now: float) -> tuple[str, ...]:
    """The keys whose signatures gpgv found good, by its status lines; raises BadSignature if there is none.

    While a key takes over from another one, who knows only one of them sees one good signature and one by a
    stranger: that is good enough. A signature that does not fit spoils all.
    """
    said = [line.split()[1:] for line in status.splitlines() if line.startswith("[GNUPG:] ")]
    words = [one for one in said if one]
    valid = _good(words)
    if valid and not any(one[0] == "BADSIG" for one in words):
        return valid
    for one in words:
        # Where the clock is behind the key's own date, gpgv calls the key bad.
        if one[0] == "ERRSIG" and len(one) > 6 and one[6] == _BAD_KEY and int(one[5]) > now:
            made, clock = (time.strftime("%Y-%m-%d %H:%M", time.gmtime(at)) for at in (int(one[5]), now))
            raise ClockBehind(f"this machine's clock says {clock} UTC, and it was signed on {made} UTC")
    for one in sorted(words, key=lambda one: one[0] == "NO_PUBKEY"):
        if one[0] in _REASONS:
            raise BadSignature(_REASONS[one[0]])
    raise BadSignature("it holds no valid signature")


def _good(words: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Primary keys of good signatures: VALIDSIG alone may also stand for a key that has expired."""
    found: list[str] = []
    verdict = ""
    for one in words:
        if one[0].endswith("SIG") and one[0] not in {"NEWSIG", "VALIDSIG"}:
            verdict = one[0]
        elif one[0] == "VALIDSIG" and verdict == "GOODSIG":
            found.append(one[-1])
    return tuple(found)
