"""Clocks: what time a signature asks for, and setting the clock forward, never back."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from sugar_deploy.bundle.install import clock
from tests.unit.bundle_install.sticks import Key, sign

LEAST = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_the_time_of_a_signature_is_read_as_gnupg_wrote_it(keys: dict[str, Key]) -> None:
    assert clock.signed_at(sign("text", keys["old"], faked="20260304T050607!")) == datetime(
        2026, 3, 4, 5, 6, 7, tzinfo=UTC
    )
    both = sign("text", keys["old"], keys["new"], faked="20270304T050607!")
    assert clock.signed_at(both) == datetime(2027, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        "-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n",
        "-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n",
        "-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n",
        "-----BEGIN PGP SIGNATURE-----\n\niQEzBAABCgAd\n-----END PGP SIGNATURE-----\n",
    ],
)
def test_what_is_no_signature_asks_for_no_time(text: str) -> None:
    assert clock.signed_at(text) is None


def test_a_clock_behind_the_bundle_is_told_with_both_times() -> None:
    clock.require_time(LEAST, LEAST, "c")
    with pytest.raises(clock.WrongClock) as caught:
        clock.require_time(datetime(1970, 1, 1, 0, 3, tzinfo=UTC), LEAST, "sugar-deploy install /media/stick")
    assert "shows 1970-01-01 00:03 UTC" in caught.value.message
    assert "made on 2026-01-02 03:04 UTC" in caught.value.message
    assert "date -u -s '2026-01-02 03:04'" in caught.value.remedy
    assert "sugar-deploy install /media/stick --set-clock" in caught.value.remedy


class Clock:
    """A machine's clock that can be set without setting this one's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
        self.set_to: list[float] = []
        self.kept = 0
        monkeypatch.setattr(time, "time", now.timestamp)
        monkeypatch.setattr(time, "clock_settime", lambda _clock, seconds: self.set_to.append(seconds))
        monkeypatch.setattr(clock, "_keep", self.keep)

    def keep(self) -> None:
        self.kept += 1


def test_the_clock_is_set_to_the_bundle_s_time_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Clock(monkeypatch, datetime(2000, 1, 1, tzinfo=UTC))
    with clock.set_forward(LEAST):
        assert fake.kept == 0
    assert fake.set_to == [LEAST.timestamp() + 1]
    assert fake.kept == 1


def test_a_clock_that_may_be_right_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Clock(monkeypatch, LEAST + timedelta(days=400))
    with clock.set_forward(LEAST):
        pass
    assert fake.set_to == []
    assert fake.kept == 0


def test_a_clock_goes_back_when_the_bundle_proves_false(monkeypatch: pytest.MonkeyPatch) -> None:
    start = datetime(2000, 1, 1, tzinfo=UTC)
    fake = Clock(monkeypatch, start)
    with pytest.raises(ValueError, match="false"), clock.set_forward(LEAST):
        raise ValueError("false")
    assert fake.kept == 0
    assert len(fake.set_to) == 2
    assert 0 <= fake.set_to[1] - start.timestamp() < 5


def test_a_clock_that_nobody_may_set_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_clock: int, _seconds: float) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setattr(time, "clock_settime", refuse)
    with pytest.raises(clock.DeployError, match=r"cannot be set.*host of this container"), clock.set_forward(LEAST):
        raise AssertionError("the block must not begin")
