# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks the LAN's own services: DHCP, DNS, NTP, the portal, the gateway."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from ipaddress import IPv4Address

from sugaroid.background import in_background
from sugaroid.checks.options import Options
from sugaroid.checks.report import Report, Unexpected
from sugaroid.probes import dhcp, dhcp_packet, dns, ntp, route, web

# Names that laptops, their firmware and old content know a school server by.
SCHOOL_NAMES = (
    *("schoolserver", "school", "library", "presence", "xs", "www", "ntp", "time", "box"),
    *("conference.schoolserver", "escuela", "schule"),
)
# A clock that is off by more breaks TLS certificates, leases and synchronisation.
MAXIMUM_OFFSET_SECONDS = 300.0
# A clock that says less has lost its battery: 2026-01-01.
DEAD_CLOCK = 1_767_225_600.0


async def check_dhcp(report: Report, options: Options, address: str) -> dhcp.Lease | None:
    """The lease, if one was given."""
    interface = options.interface or ""
    got: list[dhcp.Lease] = []

    async def ask() -> str:
        lease = await in_background(lambda: dhcp.lease(interface), dhcp.OFFER_SECONDS + dhcp.ACK_SECONDS + 2)
        got.append(lease)
        answer = lease.answer
        routers = answer.addresses(dhcp_packet.ROUTER)
        judge_lease(answer, address, gateway="gateway" in options.expect)
        through = f"router {routers[0]}" if routers else "no router"
        return (
            f"{lease.address} from {answer.server} for {answer.lease_seconds} s, {through}, "
            f"DNS {_listed(answer.addresses(dhcp_packet.DNS))}, NTP {_listed(answer.addresses(dhcp_packet.NTP))}, "
            f"domain {answer.domain}"
        )

    await report.step("dhcp", "an address for a laptop", f"DISCOVER, REQUEST, RELEASE on {interface}", ask)
    return got[0] if got else None


def judge_lease(answer: dhcp_packet.Message, address: str, *, gateway: bool) -> None:
    """Whether the answer makes a laptop find everything; Unexpected if not."""
    server = IPv4Address(address)
    wanted = {"DNS": dhcp_packet.DNS, "NTP": dhcp_packet.NTP, **({"router": dhcp_packet.ROUTER} if gateway else {})}
    for name, option in wanted.items():
        found = answer.addresses(option)
        if server not in found:
            raise Unexpected(f"{name} is {_listed(found)} and not the school server, {server}")
    if not answer.addresses(dhcp_packet.MASK):
        raise Unexpected("no network mask")
    if not answer.domain:
        raise Unexpected("no domain name, so the short name schoolserver is not found")
    if answer.lease_seconds < 120:
        raise Unexpected(f"the lease is for {answer.lease_seconds} s only")


async def check_dns(report: Report, options: Options, address: str, domain: str) -> None:
    """All names of a school server, by UDP, and one by TCP."""
    own = (options.server, f"conference.{options.server}")
    names = tuple(f"{name}.{domain}" for name in SCHOOL_NAMES)
    port = options.ports.dns

    async def by_tcp() -> str:
        answer = await in_background(lambda: dns.ask_by_tcp(address, own[0], port=port), 10.0)
        _same_address({own[0]: answer}, address)
        return f"{own[0]} is {answer.text}"

    for label, listed in (("the server's names", own), (f"school names in {domain}", names)):

        async def by_udp(listed: Sequence[str] = listed) -> str:
            return _same_address(await _ask_all(address, listed, port), address)

        await report.step("dns", label, f"{', '.join(listed)} at {address}", by_udp)
    await report.step("dns", "by TCP", f"{own[0]} at {address}", by_tcp)


async def _ask_all(server: str, names: Sequence[str], port: int) -> dict[str, dns.Answer]:
    asking = (in_background(lambda name=name: dns.ask(server, name, port=port), 10.0) for name in names)  # type: ignore[misc]
    return dict(zip(names, await asyncio.gather(*asking)))


def _same_address(answers: dict[str, dns.Answer], address: str) -> str:
    wanted = IPv4Address(address)
    wrong = {name: answer for name, answer in answers.items() if wanted not in answer.addresses}
    if wrong:
        raise Unexpected("; ".join(f"{name}: {answer.text}" for name, answer in wrong.items()))
    return f"all {len(answers)} names are {wanted}" if len(answers) > 1 else f"{next(iter(answers))} is {wanted}"


async def check_ntp(report: Report, options: Options, address: str) -> None:
    """The time, from a server that trusts its own clock."""

    async def ask() -> str:
        found = await in_background(lambda: ntp.ask(address, port=options.ports.ntp), 10.0)
        return judge_time(found, own_clock=time.time())

    await report.step("ntp", "the time", f"an SNTP request to {address}", ask)


def judge_time(found: ntp.Time, own_clock: float) -> str:
    """What is seen of a sound answer; Unexpected for one that a laptop would not set its clock by."""
    if not found.synchronised:
        raise Unexpected(f"the server does not trust its clock: stratum {found.stratum}, leap indicator {found.leap}")
    if found.transmitted < DEAD_CLOCK:
        raise Unexpected(f"the server's clock says {time.strftime('%Y-%m-%d', time.gmtime(found.transmitted))}")
    seen = f"stratum {found.stratum}, {found.offset:+.3f} s from the clock here"
    if own_clock < DEAD_CLOCK:
        return f"{seen}, which is not set"
    if abs(found.offset) > MAXIMUM_OFFSET_SECONDS:
        raise Unexpected(seen)
    return seen


async def check_http(report: Report, options: Options, address: str) -> None:
    """The school's page, and the daemon's health on both ports."""

    async def portal() -> str:
        page = await in_background(lambda: web.fetch(address, options.ports.http, options.server, "/"), 20.0)
        if page.status != 200 or "html" not in page.kind.lower() or not page.body.strip():
            raise Unexpected(f"status {page.status}, {page.kind or 'no content type'}, {len(page.body)} bytes")
        return f"a page of {len(page.body)} bytes"

    await report.step("http", "the school's page", f"GET http://{options.server}:{options.ports.http}/", portal)
    for port in (options.ports.http, options.ports.registration):

        async def health(port: int = port) -> str:
            return _healthy(await in_background(lambda: web.fetch(address, port, options.server, "/health"), 20.0))

        await report.step("http", f"health on {port}", f"GET http://{options.server}:{port}/health", health)


def _healthy(page: web.Page) -> str:
    try:
        found = json.loads(page.body)
    except ValueError:
        raise Unexpected(f"status {page.status}, and no JSON") from None
    if page.status != 200 or not isinstance(found, dict):
        raise Unexpected(f"status {page.status}: {json.dumps(found)[:200]}")
    return f"status {found.get('status', 'unknown')}, version {found.get('version', 'unknown')}"


async def check_gateway(report: Report, options: Options, address: str, lease: dhcp.Lease | None) -> None:
    """Whether laptops are sent through the server, and, if somewhere is named, come out."""

    async def routed() -> str:
        routers = lease.answer.addresses(dhcp_packet.ROUTER) if lease else route.default_gateways()
        source = "DHCP" if lease else "the default route"
        if IPv4Address(address) not in routers:
            raise Unexpected(f"{source} leads to {_listed(routers)} and not to the school server, {address}")
        return f"{source} leads to {address}"

    await report.step("gateway", "the way out", "the router of the lease or of this machine", routed)
    if options.outside is not None:
        host, port = options.outside_address()

        async def reached() -> str:
            if await in_background(lambda: web.is_open(host, port, 8.0), 20.0):
                return "reached"
            raise Unexpected("not reached")

        await report.step("gateway", "the Internet", f"a TCP connection to {host}:{port}", reached)


def _listed(addresses: Sequence[IPv4Address]) -> str:
    return ", ".join(map(str, addresses)) or "none"
