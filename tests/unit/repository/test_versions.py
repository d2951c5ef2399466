"""Debian's order of versions, checked against dpkg."""

from __future__ import annotations

import subprocess

from hypothesis import given, settings
from hypothesis import strategies as st

from sugar_deploy.repository.versions import compare, key

PIECES = st.text("019ab~+.Z", max_size=5)
VERSIONS = st.builds(
    lambda epoch, digit, upstream, revision: f"{epoch}{digit}{upstream}{revision}",
    st.sampled_from(["", "", "0:", "1:"]),
    st.sampled_from("019"),
    PIECES,
    st.one_of(st.just(""), st.builds(lambda text: f"-0{text}", PIECES), st.just("-1~bpo12+1"), st.just("-0")),
)


def _dpkg(pairs: list[tuple[str, str]]) -> list[int]:
    script = "".join(
        f"if dpkg --compare-versions '{one}' lt '{other}'; then echo -1; "
        f"elif dpkg --compare-versions '{one}' gt '{other}'; then echo 1; else echo 0; fi\n"
        for one, other in pairs
    )
    said = subprocess.run(["sh"], input=script, capture_output=True, text=True, check=True).stdout
    return [int(word) for word in said.split()]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(VERSIONS, VERSIONS), min_size=1, max_size=20))
def test_the_order_is_dpkgs(pairs: list[tuple[str, str]]) -> None:
    ours = [(compare(*pair) > 0) - (compare(*pair) < 0) for pair in pairs]
    assert ours == _dpkg(pairs)


def test_some_versions_that_everybody_meets() -> None:
    rising = ["1.0~rc1-1", "1.0-1~bpo12+1", "1.0-1", "1.0-1+b1", "1.0-1+deb12u1", "1.0-1+deb12u10", "1.0.1", "1:0.1"]
    falling = rising[::-1]
    assert sorted(falling, key=key) == rising
    assert compare("1.0", "1.0-0") == 0
