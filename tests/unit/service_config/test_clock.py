"""A wrong clock and an expired key, in the words of apt on Debian 12 and 13."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from ansible_collections.sugar.deploy.plugins.module_utils.clock import remedy
from ansible_collections.sugar.deploy.plugins.modules.attached import REMEDY, refusal

# apt 2.6 of Debian 12; the times as libfaketime has shown them.
NOT_VALID_YET = (
    "E: Release file for file:/var/lib/sugar-deploy/repository/dists/bookworm/InRelease is not valid yet (invalid "
    "for another {}). Updates for this repository will not be applied."
)
EXPIRED = (
    "W: GPG error: file:/r bookworm InRelease: The following signatures were invalid: EXPKEYSIG D3468C5BFD4EFE12 "
    "lima repository\nE: The repository 'file:/r bookworm InRelease' is not signed."
)
# apt 3.0 of Debian 13, with sqv.
NOT_LIVE = (
    "W: OpenPGP signature verification failed: file:/r trixie InRelease: Sub-process /usr/bin/sqv returned an error "
    "code (1), error message is: Verifying signature:            Not live until 2026-01-31T23:30:00Z\n"
    "E: The repository 'file:/r trixie InRelease' is not signed."
)
NOT_OURS = "W: GPG error: file:/r bookworm InRelease: couldn't be verified because the public key is not available"
TLS = "E: Failed to fetch https://r/InRelease  The certificate chain uses not yet valid certificate."


def at(*when: int) -> float:
    return datetime(*when, tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("complaint", "now", "shown"),
    [
        (NOT_VALID_YET.format("20484d 23h 54min 50s"), at(1970, 1, 1, 0, 5), "1970-01-01 00:05"),
        (NOT_VALID_YET.format("16d 23h 59min 50s"), at(2026, 1, 15), "2026-01-15 00:00"),
        (NOT_LIVE, at(1970, 1, 1, 0, 5), "1970-01-01 00:05"),
    ],
)
def test_a_clock_that_is_behind_is_told_with_both_times_and_how_to_set_it(
    complaint: str, now: float, shown: str
) -> None:
    told = remedy(complaint, now)
    assert told.startswith(
        f"This server's clock shows {shown} UTC; the repository was signed on 2026-02-01 00:00 UTC. "
        'Set it, on the server: date -u -s "2026-02-01 00:00"'
    )


def test_where_nobody_says_when_it_was_signed_the_clock_is_told_all_the_same() -> None:
    told = remedy(TLS, at(1970, 1, 1))
    assert told.startswith("This server's clock shows 1970-01-01 00:00 UTC; the repository was signed later")
    assert 'date -u -s "YYYY-MM-DD HH:MM"' in told


def test_an_expired_key_is_renewed_unless_the_clock_is_ahead() -> None:
    told = remedy(EXPIRED, at(2035, 1, 1))
    assert "clock shows 2035-01-01 00:00 UTC, and by then the repository's signing key has expired" in told
    assert "sugar-deploy repo key --renew" in told
    assert "date -u -s" in told


def test_other_complaints_have_nothing_to_do_with_the_clock() -> None:
    assert remedy(NOT_OURS, at(1970, 1, 1)) is None
    assert refusal("/r", NOT_OURS, "Nothing was changed. ").endswith(f"\nNothing was changed. {REMEDY}")


def test_the_module_says_it_instead_of_its_guesses() -> None:
    told = refusal("/r", NOT_LIVE)
    assert told.startswith(f"The repository at /r cannot be used: {NOT_LIVE}\nThis server's clock shows ")
    assert REMEDY not in told
