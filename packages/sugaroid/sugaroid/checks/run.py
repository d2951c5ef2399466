# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the checks, side by side where they do not disturb each other."""

from __future__ import annotations

import asyncio

from sugaroid.background import in_background
from sugaroid.checks import network
from sugaroid.checks.absence import check_absence
from sugaroid.checks.antitheft import check_antitheft
from sugaroid.checks.backup import check_backup
from sugaroid.checks.options import SERVICES, Options, resolve
from sugaroid.checks.pages import check_pages
from sugaroid.checks.presence import check_presence
from sugaroid.checks.registration import check_registration
from sugaroid.checks.report import Report
from sugaroid.checks.statistics import check_statistics
from sugaroid.checks.updates import check_updates
from sugaroid.errors import SugaroidError
from sugaroid.probes.dhcp import Lease
from sugaroid.profile import Profile

RESOLVE_SECONDS = 15.0


async def check(options: Options) -> Report:
    """What a laptop finds; InvalidInput before anything is sent if the options cannot be followed."""
    options.validate()
    report = Report()
    address = await _address(report, options)
    if address is None:
        return report
    parts = (_people(report, options, address), _lan(report, options, address), _web(report, options, address))
    absent = (check_absence(report, options, address, service) for service in options.expect_no)
    await asyncio.gather(*parts, *absent)
    report.checks.sort(key=lambda found: SERVICES.index(found.service))
    return report


async def _address(report: Report, options: Options) -> str | None:
    try:
        return await in_background(lambda: resolve(options.address or options.server), RESOLVE_SECONDS)
    except (SugaroidError, OSError) as error:
        failure = error

    async def fail() -> str:
        raise failure

    tried = f"the address of {options.address or options.server}, from this machine's resolver"
    await report.step("dns", "the server's address", tried, fail)
    return None


async def _people(report: Report, options: Options, address: str) -> None:
    """Registration before presence: a server may let only registered laptops in."""
    seeds = [None if options.seed is None else f"{options.seed}-{number}" for number in range(options.count)]
    laptops = [Profile.make(seed) for seed in seeds]
    if "registration" in options.expect:
        await check_registration(report, options, address, laptops)
    if "presence" in options.expect:
        await check_presence(report, options, address, laptops)
    if "statistics" in options.expect:
        await check_statistics(report, options, address)
    if "backup" in options.expect:
        await check_backup(report, options, address)


async def _lan(report: Report, options: Options, address: str) -> None:
    """DHCP before DNS: it tells the domain."""
    lease: Lease | None = None
    if "dhcp" in options.expect:
        lease = await network.check_dhcp(report, options, address)
    if "dns" in options.expect:
        domain = options.domain or (lease.answer.domain if lease else "") or options.server.partition(".")[2]
        await network.check_dns(report, options, address, domain or "lan")
    if "gateway" in options.expect:
        await network.check_gateway(report, options, address, lease)


async def _web(report: Report, options: Options, address: str) -> None:
    if "http" in options.expect:
        await network.check_http(report, options, address)
    if "ntp" in options.expect:
        await network.check_ntp(report, options, address)
    if "updates" in options.expect:
        await check_updates(report, options, address)
    if "pages" in options.expect:
        await check_pages(report, options, address)
    if "antitheft" in options.expect:
        await check_antitheft(report, options, address)
