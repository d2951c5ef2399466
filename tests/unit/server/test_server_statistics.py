"""Statistics: what an upload may hold, what is summed, and that no laptop's own figures are kept."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
from datetime import date
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sugar_server.pages.figures import Figures
from sugar_server.statistics import export, plots
from sugar_server.statistics.report import days_until, report
from sugar_server.statistics.store import Store, Sum, TooMany
from sugar_server.statistics.upload import Malformed, Sample, Upload, parse
from sugar_server.writer import Writer

NOW = 1769904000.0  # 2026-02-01T00:00:00Z
DAY = 86400
WRITE = "activity.org.laptop.Write"
GUID, OTHER = "a" * 40, "b" * 40


@pytest.fixture
def store(tmp_path):
    with contextlib.closing(Store(tmp_path)) as opened:
        yield opened


def body(values, name=WRITE):
    return json.dumps({"name": name, "values": values}).encode()


def test_an_upload_in_sugar_stats_form():
    found = parse(body([[int(NOW) - DAY, {"uptime": 1200, "instances": 2.0}], [int(NOW), {"uptime": 7}]]), NOW)
    assert found == Upload(
        WRITE, (Sample(int(NOW) - DAY, {"uptime": 1200.0, "instances": 2.0}), Sample(int(NOW), {"uptime": 7.0}))
    )


@pytest.mark.parametrize(
    "given_body",
    [
        b"", b"[]", b"{}", b"\xff", b"[" * 100_000, body([], name="../x"), body([], name=7), body({}), body([[1]]),
        body([[NOW, {"uptime": "7"}]]), body([[NOW, {"uptime": True}]]), body([[NOW, {"<b>": 1}]]),
        body([[NOW, [1]]]), body([["now", {}]]), body([[NOW, {"a": 1}], [NOW, {"a": 1}]]),
        body([[NOW, {"a": 1}], [NOW - 9, {"a": 1}]]), body([[NOW, {f"f{n}": 1 for n in range(51)}]]),
        body([[NOW + n, {}] for n in range(10_001)]), b'{"name": "x", "values": [[1e400, {}]]}',
        b'{"name": "x", "values": [[1769904000, {"a": NaN}]]}',
        b'{"name": "x", "values": [[1769904000, {"a": 1e99}]]}',
    ],
)  # fmt: skip
def test_what_is_no_upload_is_refused(given_body):
    with pytest.raises(Malformed):
        parse(given_body, NOW)


@given(st.binary(max_size=200) | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(
    lambda value: json.dumps({"name": "x", "values": value}).encode()
))  # fmt: skip
def test_anything_else_is_refused_in_words_too(given_body):
    with contextlib.suppress(Malformed):
        parse(given_body, NOW)


def test_samples_of_a_wrong_clock_are_left_out():
    values = [[5, {"a": 1}], [int(NOW), {"a": 1}], [int(NOW) + 30 * DAY, {"a": 1}]]
    assert [sample.at for sample in parse(body(values), NOW).samples] == [int(NOW)]


def sums(store, field="uptime"):
    found = store.sums("2026-01-01", "2026-12-31")
    return {(each.day, each.name): (each.total, each.samples, each.laptops) for each in found if each.field == field}


def upload(*moments, name=WRITE, **fields):
    return Upload(name, tuple(Sample(int(moment), {key: float(value) for key, value in fields.items()})
                              for moment in moments))  # fmt: skip


def test_a_repeated_upload_adds_nothing(store):
    assert store.add(GUID, upload(NOW, NOW + DAY, uptime=60)) == 2
    assert store.add(GUID, upload(NOW, NOW + DAY, uptime=60)) == 0
    assert store.add(GUID, upload(NOW, NOW + DAY, NOW + 2 * DAY, uptime=60)) == 1
    assert sums(store) == {("2026-01-31", WRITE): (60, 1, 1), ("2026-02-01", WRITE): (60, 1, 1),
                           ("2026-02-02", WRITE): (60, 1, 1)}  # fmt: skip
    assert store.latest(GUID) == {WRITE: int(NOW) + 2 * DAY}


def test_laptops_are_summed_and_counted_once_a_day(store):
    for guid in (GUID, OTHER):
        store.add(guid, upload(NOW - 60, NOW - 30, NOW, uptime=10))
    assert sums(store) == {("2026-01-31", WRITE): (60, 6, 2)}


def test_the_database_tells_nobody_which_child_reported(tmp_path, store):
    store.add(GUID, upload(NOW, uptime=10))
    store.close()
    assert (tmp_path / "statistics.secret").stat().st_mode & 0o777 == 0o600
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert GUID.encode() not in kept
    assert bytes.fromhex(GUID) not in kept


def test_two_servers_call_a_laptop_by_different_names(tmp_path, store):
    (tmp_path / "2").mkdir()
    with contextlib.closing(Store(tmp_path / "2")) as second, contextlib.closing(Store(tmp_path)) as again:
        assert second.pseudonym(GUID) != store.pseudonym(GUID) == again.pseudonym(GUID)


def test_a_laptop_cannot_fill_the_disk_with_names(store):
    for number in range(500):
        store.add(GUID, upload(NOW, name=f"n{number}", a=1))
    with pytest.raises(TooMany):
        store.add(GUID, upload(NOW, name="one-more", a=1))
    assert store.add(GUID, upload(NOW + 1, name="n0", a=1)) == 1
    assert store.add(OTHER, upload(NOW, name="one-more", a=1)) == 1


def test_old_sums_are_forgotten(store):
    store.add(GUID, upload(NOW, NOW + DAY, uptime=1))
    assert store.forget_before(NOW + 10 * DAY, keep_days=10) == 1
    assert list(sums(store)) == [("2026-02-01", WRITE)]


SUMS = [
    Sum("2026-01-31", "activity.a", "uptime", 7200.0, 2, 2),
    Sum("2026-01-31", "software", "sugar 0.121", 3.0, 3, 3),
    Sum("2026-02-02", "activity.a", "uptime", 1800.0, 1, 1),
    Sum("2026-02-02", "activity.b", "uptime", 5400.5, 1, 1),
]


@pytest.mark.parametrize(("seconds", "said"), [(480, "0.1 hours"), (3600, "1 hour"), (5400, "1.5 hours")])
def test_the_page_counts_parts_of_hours(tmp_path, seconds, said):
    with contextlib.closing(Writer(lambda: Store(tmp_path))) as writer:
        writer.submit(lambda store: store.add(GUID, upload(NOW, uptime=seconds))).result(10)
        _, hours, _ = Figures(writer, lambda: NOW).plots("en")
    assert hours.summary == f"{said} in the last 30 days."


def test_the_report():
    found = report(SUMS, days_until(date(2026, 2, 2), 3))
    assert found.days == ("2026-01-31", "2026-02-01", "2026-02-02")
    assert found.laptops == (3, 0, 1)
    assert [round(hours, 3) for hours in found.hours] == [2.0, 0, 2.0]
    assert [(name, round(hours, 2)) for name, hours in found.activities] == [("a", 2.5), ("b", 1.5)]
    assert found.versions == (("sugar 0.121", 3),)


def test_a_spreadsheet_reads_the_sums_and_runs_none_of_them():
    rows = list(csv.DictReader(io.StringIO(export.as_csv([*SUMS, Sum("2026-02-02", "x", "+cmd", 1.0, 1, 1)]))))
    assert rows[0] == {"day": "2026-01-31", "name": "activity.a", "field": "uptime", "total": "7200", "samples": "2",
                       "laptops": "2"}  # fmt: skip
    assert rows[3]["total"] == "5400.5"
    assert rows[4]["field"] == "'+cmd"
    assert json.loads(export.as_json(SUMS))[3]["total"] == 5400.5


@pytest.mark.parametrize("values", [(), (0, 0), (1, 5, 2.5)])
def test_a_plot_is_sound_svg_with_every_value_in_it(values):
    labels = [f"day {number}" for number in range(max(len(values), 1))]
    root = ElementTree.fromstring(plots.bars("Hours & <more>", labels, values).replace(" role", ' xmlns="" role', 1))
    assert root.get("aria-label") == "Hours & <more>"
    heights = [float(bar.get("height")) for bar in root.iter("rect")]
    assert len(heights) == len(values)
    if any(values):
        assert [round(height / max(heights), 3) for height in heights] == [value / max(values) for value in values]


def test_a_name_cannot_leave_its_plot():
    drawn = plots.rows("t", [('<script>"', 3), ("x" * 100, 1)])
    assert "<script>" not in drawn
    ElementTree.fromstring(drawn)
    assert re.search(r"…x{31}<", drawn)
