"""What gpgv says, judged."""

from __future__ import annotations

import pytest

from sugar_deploy.repository.signature import BadSignature, ClockBehind, judge

OLD, NEW = "A" * 40, "B" * 40
MADE = 1_795_245_120


def _said(*lines: str) -> str:
    return "gpgv: chatter\n" + "".join(f"[GNUPG:] {line}\n" for line in lines)


def _good(fingerprint: str, word: str = "GOODSIG") -> tuple[str, ...]:
    valid = f"VALIDSIG {fingerprint} 2026-11-21 {MADE} 0 4 0 22 10 01 {fingerprint}"
    return "NEWSIG", f"{word} {fingerprint[-16:]} somebody", valid


def _unknown(fingerprint: str) -> tuple[str, ...]:
    words = f"{fingerprint[-16:]} 22 10 01 {MADE} 9 {fingerprint}"
    return "NEWSIG", f"ERRSIG {words}", f"NO_PUBKEY {fingerprint[-16:]}"


def test_one_good_signature_beside_a_strangers_is_enough() -> None:
    assert judge(_said(*_good(OLD)), MADE) == (OLD,)
    assert judge(_said(*_good(OLD), *_good(NEW)), MADE) == (OLD, NEW)
    assert judge(_said(*_good(OLD), *_unknown(NEW)), MADE) == (OLD,)
    assert judge(_said(*_unknown(OLD), *_good(NEW)), MADE) == (NEW,)
    assert judge(_said(*_good(OLD, "EXPKEYSIG"), *_good(NEW)), MADE) == (NEW,)


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ((), "no valid signature"),
        (_unknown(OLD), "signed by another key"),
        (_good(OLD, "EXPKEYSIG"), "key has expired"),
        (_good(OLD, "REVKEYSIG"), "been revoked"),
        ((*_unknown(OLD), *_good(NEW, "EXPKEYSIG")), "key has expired"),
        ((*_good(OLD), "NEWSIG", "BADSIG 0123456789ABCDEF somebody"), "not what was signed"),
    ],
)
def test_why_a_signature_does_not_hold(lines: tuple[str, ...], why: str) -> None:
    with pytest.raises(BadSignature, match=why):
        judge(_said(*lines), MADE)


def test_a_clock_that_is_behind_is_told_from_a_bad_signature() -> None:
    lines = "NEWSIG", f"ERRSIG {OLD[-16:]} 22 10 01 {MADE} 6 {OLD}"
    with pytest.raises(ClockBehind, match=r"clock says 2020-01-01 00:00 UTC, and it was signed on 2026-11-21"):
        judge(_said(*lines), 1_577_836_800)
    with pytest.raises(BadSignature, match="no valid signature"):
        judge(_said(*lines), MADE + 1)
