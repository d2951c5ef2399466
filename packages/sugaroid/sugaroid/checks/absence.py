# SPDX-License-Identifier: GPL-3.0-or-later
"""Proves that services are not there: nothing of a LAN may leak to the uplink."""

from __future__ import annotations

from sugaroid.background import in_background
from sugaroid.checks.options import Options
from sugaroid.checks.pages import LOGIN, PAGES
from sugaroid.checks.report import Report, Unexpected
from sugaroid.errors import CannotConnect
from sugaroid.probes import dhcp, dns, ntp, route, web


async def check_absence(report: Report, options: Options, address: str, service: str) -> None:
    """One service that nobody may offer here."""
    ports = {
        "registration": (options.ports.registration,),
        "presence": (options.ports.presence, options.ports.presence_plain),
        "http": (options.ports.http,),
        "updates": (options.ports.http,),
        "backup": (options.ports.backup,),
        "statistics": (options.ports.registration,),
        "antitheft": (options.ports.activation,),
    }
    if service in ports:
        for port in ports[service]:
            await _closed(report, service, address, port)
    elif service == "pages":
        await _no_pages(report, options, address)
    elif service == "dns":
        await _no_dns(report, options, address)
    elif service == "ntp":
        await _no_ntp(report, options, address)
    elif service == "dhcp":
        await _no_dhcp(report, options.interface or "")
    else:
        await _no_gateway(report, options, address)


async def _closed(report: Report, service: str, address: str, port: int) -> None:
    async def look() -> str:
        if await in_background(lambda: web.is_open(address, port), 8.0):
            raise Unexpected("the port is open")
        return "no connection"

    await report.step(service, f"port {port} is closed", f"a TCP connection to {address}:{port}", look)


async def _no_pages(report: Report, options: Options, address: str) -> None:
    """The port may be open, for registration and updates: but neither children's names nor a login are shown."""
    for path in (LOGIN, *(path for _, path in PAGES if path != "/")):

        async def look(path: str = path) -> str:
            if not await in_background(lambda: web.is_open(address, options.ports.http), 8.0):
                return "no connection"
            page = await in_background(lambda: web.fetch(address, options.ports.http, options.server, path), 20.0)
            if page.status not in (403, 404):
                raise Unexpected(f"status {page.status}, {len(page.body)} bytes")
            return f"status {page.status}"

        await report.step("pages", f"{path} is not shown", f"GET {path} from {address}", look)


async def _no_dns(report: Report, options: Options, address: str) -> None:
    async def ask() -> str:
        try:
            answer = await in_background(
                lambda: dns.ask(address, options.server, port=options.ports.dns, tries=2), 8.0
            )
        except CannotConnect:
            return "no answer"
        raise Unexpected(f"an answer: {answer.text}")

    await report.step("dns", "nobody answers", f"{options.server} at {address}", ask)
    await _closed(report, "dns", address, options.ports.dns)


async def _no_ntp(report: Report, options: Options, address: str) -> None:
    async def ask() -> str:
        try:
            found = await in_background(lambda: ntp.ask(address, port=options.ports.ntp, tries=2), 8.0)
        except CannotConnect:
            return "no answer"
        raise Unexpected(f"the time, stratum {found.stratum}")

    await report.step("ntp", "nobody answers", f"an SNTP request to {address}", ask)


async def _no_dhcp(report: Report, interface: str) -> None:
    async def ask() -> str:
        found = await in_background(lambda: dhcp.offers(interface), dhcp.SILENCE_SECONDS + 5)
        if found:
            raise Unexpected("; ".join(f"{offer.server} offers {offer.address}" for offer in found))
        return f"no offer within {dhcp.SILENCE_SECONDS:.0f} s"

    await report.step("dhcp", "nobody offers addresses", f"DISCOVER on {interface}", ask)


async def _no_gateway(report: Report, options: Options, address: str) -> None:
    async def look() -> str:
        if options.outside is not None:
            host, port = options.outside_address()
            if await in_background(lambda: web.is_open(host, port), 8.0):
                raise Unexpected(f"{host}:{port} is reached")
            return f"{host}:{port} is not reached"
        if address in {str(gateway) for gateway in route.default_gateways()}:
            raise Unexpected(f"the default route leads to {address}")
        return "no route through the school server"

    await report.step("gateway", "no way out", options.outside or "this machine's routes", look)
