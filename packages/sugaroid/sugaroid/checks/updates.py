# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks for activities as Sugar's updater does, and into the bundles that the page offers. Nothing stays."""

from __future__ import annotations

from urllib.parse import urlsplit

from sugaroid.background import in_background
from sugaroid.bundles import Bundle, look_into
from sugaroid.checks.options import Options
from sugaroid.checks.report import Report, Unexpected
from sugaroid.errors import SugaroidError
from sugaroid.updates import ActivityPage, Offer, fetch_page, page_url, place, version_numbers

BUNDLES = 20
"""So many bundles are looked into: each costs the server a few requests."""


async def check_updates(report: Report, options: Options, address: str) -> None:
    """The page, then its bundles."""
    port = options.ports.http
    got: list[ActivityPage] = []

    async def page() -> str:
        found = await in_background(lambda: fetch_page(address, port, options.server), 20.0)
        seen = judge_page(found)
        got.append(found)
        return seen

    async def bundles() -> str:
        chosen = sorted(got[0].offers.values(), key=lambda offer: offer.bundle_id)[:BUNDLES]
        total = sum([await _bundle(offer, options.server, address) for offer in chosen])
        return f"{len(chosen)} of {len(got[0].offers)} bundles are what the page says, {total} bytes"

    await report.step("updates", "the page of activities", f"GET {page_url(options.server, port)}", page)
    if got and got[0].offers:
        tried = "HEAD, and GET with Range, of the bundles on the page"
        await report.step("updates", "the bundles", tried, bundles, seconds=120.0)


def judge_page(page: ActivityPage) -> str:
    """What is seen of a page that laptops can read; Unexpected for one on which they miss something."""
    if page.ended != page.begun or page.unclosed:
        tags = ", ".join(page.unclosed[:3]) or "of an unknown place"
        raise Unexpected(
            f"{page.begun} activities begin and laptops see {page.ended} end: a tag is not closed, {tags}"
        )
    if page.incomplete:
        raise Unexpected(f"{page.incomplete} of {page.begun} activities have no id, address or version to use")
    if not page.offers:
        return "a page that offers no activities"
    return f"{len(page.offers)} activities, {sum(offer.optional for offer in page.offers.values())} optional"


def judge_bundle(offer: Offer, bundle: Bundle) -> None:
    """Unexpected if the bundle is another than its page says: a laptop would update it for ever."""
    if bundle.bundle_id != offer.bundle_id:
        raise Unexpected(f"{offer.url} is {bundle.bundle_id or 'nothing'} and not {offer.bundle_id}")
    try:
        same = version_numbers(bundle.version) == version_numbers(offer.version)
    except ValueError:
        same = False
    if not same:
        raise Unexpected(f"{offer.url} is version {bundle.version or 'none'} and not {offer.version}")


async def _bundle(offer: Offer, host: str, address: str) -> int:
    if not urlsplit(offer.url).path.endswith((".xo", ".xol")):
        raise Unexpected(f"{offer.url} ends neither in .xo nor in .xol: Sugar does not know what to do with it")
    where = place(offer.url, host, address)
    try:
        bundle = await in_background(lambda: look_into(*where), 60.0)
    except SugaroidError as error:
        raise Unexpected(f"{offer.bundle_id}: {error}") from error
    judge_bundle(offer, bundle)
    return bundle.bytes
