"""DNS, NTP and DHCP byte by byte, written by hand from their RFCs."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

import pytest
from sugaroid.errors import InvalidInput
from sugaroid.probes import dhcp_packet, dns, ntp, route

# DNS, RFC 1035, section 4.1: header, question, answer with a compressed name.
QUERY = bytes.fromhex("beef 0100 0001 0000 0000 0000 0c7363686f6f6c736572766572 046c696d61 00 0001 0001")
ANSWER = bytes.fromhex(
    "beef 8580 0001 0002 0000 0000 06657363756c61 00 0001 0001"
    "c00c 0005 0001 00000e10 000e 0c7363686f6f6c73657276657200"
    "0c7363686f6f6c73657276657200 0001 0001 00000e10 0004 ac126001"
)


def test_dns_query() -> None:
    assert dns.query("schoolserver.lima", 0xBEEF) == QUERY
    assert dns.query("schoolserver.lima.", 0xBEEF) == QUERY


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64, ".".join(["abcdefg"] * 33), "niño"])
def test_no_dns_name(name: str) -> None:
    with pytest.raises(InvalidInput, match="no DNS name"):
        dns.query(name, 1)


def test_dns_answer_through_an_alias() -> None:
    assert dns.read_answer(ANSWER, 0xBEEF) == dns.Answer(0, (IPv4Address("172.18.96.1"),))


def test_dns_answer_no_such_name() -> None:
    answer = dns.read_answer(bytes.fromhex("beef 8583 0000 0000 0000 0000"), 0xBEEF)

    assert answer == dns.Answer(3, ())
    assert answer.text == "no such name"


@pytest.mark.parametrize(
    "packet",
    [
        *(ANSWER[:length] for length in range(len(ANSWER))),
        b"\xbe\xf0" + ANSWER[2:],
        QUERY,
        ANSWER[:2] + b"\x87" + ANSWER[3:],
    ],
)
def test_dns_rubbish(packet: bytes) -> None:
    with pytest.raises(ValueError, match=r"not the answer|cut off"):
        dns.read_answer(packet, 0xBEEF)


# NTP, RFC 4330, section 4. 2026-11-21T00:00:00Z is 1795219200 in Unix time, 4004208000 = 0xeeab5d80 in NTP's.
COOKIE = b"sugaroid"
NTP_TIME = bytes.fromhex("eeab5d80 80000000")


def _ntp_answer(first: int = 0x24, stratum: int = 10, cookie: bytes = COOKIE, stamp: bytes = NTP_TIME) -> bytes:
    return bytes([first, stratum, 6, 0xE9]) + bytes(20) + cookie + stamp + stamp


def test_ntp_request() -> None:
    packet = ntp.request(COOKIE)

    assert len(packet) == 48
    assert packet[0] == 0b00_100_011  # no leap second, version 4, client
    assert packet[40:] == COOKIE


def test_ntp_answer() -> None:
    unix = 0xEEAB5D80 - 2_208_988_800 + 0.5
    found = ntp.read_answer(_ntp_answer(), COOKIE, unix - 10.25, unix - 9.75)

    assert found.transmitted == unix
    assert found.offset == pytest.approx(10.0)
    assert found.delay == pytest.approx(0.5)
    assert (found.stratum, found.leap, found.synchronised) == (10, 0, True)


def test_ntp_of_the_next_era() -> None:
    # 2036-02-07T06:28:16Z, where NTP's seconds start again at 0.
    assert ntp.read_answer(_ntp_answer(stamp=bytes(8)), COOKIE, 0, 0).transmitted == 2_085_978_496


@pytest.mark.parametrize(("first", "stratum"), [(0xE4, 10), (0x24, 0), (0x24, 16)])
def test_ntp_of_a_server_without_time(first: int, stratum: int) -> None:
    assert not ntp.read_answer(_ntp_answer(first, stratum), COOKIE, 0, 0).synchronised


@pytest.mark.parametrize(
    "packet", [b"", _ntp_answer()[:47], _ntp_answer(cookie=b"somebody"), _ntp_answer(first=0x23)]
)
def test_ntp_rubbish(packet: bytes) -> None:
    with pytest.raises(ValueError, match="not the answer"):
        ntp.read_answer(packet, COOKIE, 0, 0)


# DHCP, RFC 2131, section 2, and RFC 2132.
CARD = bytes.fromhex("0217c4123456")
OFFER = (
    bytes.fromhex("02 01 06 00 deadbeef 0000 8000 00000000 ac12600a ac126001 00000000 0217c4123456")
    + bytes(10 + 64 + 128)
    + bytes.fromhex("63825363")
    + bytes.fromhex("35 01 02  36 04 ac126001  33 04 00002a30  01 04 ffffff00  00 03 04 ac126001")
    + bytes.fromhex("06 08 ac126001 08080808  0f 04 6c696d61  2a 04 ac126001 ff 00 00")
)


def test_dhcp_offer() -> None:
    offer = dhcp_packet.read_message(OFFER)
    server = IPv4Address("172.18.96.1")

    assert (offer.transaction, offer.kind, offer.address) == (0xDEADBEEF, 2, IPv4Address("172.18.96.10"))
    assert (offer.server, offer.lease_seconds, offer.domain) == (server, 10800, "lima")
    assert offer.addresses(dhcp_packet.ROUTER) == offer.addresses(dhcp_packet.NTP) == (server,)
    assert offer.addresses(dhcp_packet.DNS) == (server, IPv4Address("8.8.8.8"))


@pytest.mark.parametrize(
    "packet", [b"", OFFER[:239], b"\x01" + OFFER[1:], OFFER[:236] + b"none" + OFFER[240:], OFFER[:240], OFFER[:253]]
)
def test_dhcp_rubbish(packet: bytes) -> None:
    with pytest.raises(ValueError, match=r"no answer|cut off|does not say"):
        dhcp_packet.read_message(packet)


def test_a_long_dhcp_option_comes_in_parts() -> None:
    parted = OFFER[:-3] + bytes.fromhex("0f 04 2e78797a ff")

    assert dhcp_packet.read_message(parted).domain == "lima.xyz"


def test_dhcp_request() -> None:
    sent = dhcp_packet.message(
        3, 0xDEADBEEF, CARD, requested=IPv4Address("172.18.96.10"), server=IPv4Address("172.18.96.1")
    )

    assert len(sent) >= 300
    assert sent[:12] == bytes.fromhex("01 01 06 00 deadbeef 0000 8000")
    assert sent[12:28] == bytes(16)
    assert sent[28:34] == CARD
    assert sent[236:].startswith(bytes.fromhex("63825363 350103 3d07010217c4123456 3204ac12600a 3604ac126001 3708"))


def test_dhcp_release_names_the_address_and_wants_no_broadcast() -> None:
    sent = dhcp_packet.message(7, 1, CARD, server=IPv4Address("172.18.96.1"), own=IPv4Address("172.18.96.10"))

    assert sent[10:16] == bytes.fromhex("0000 ac12600a")


def test_internet_checksum() -> None:
    # RFC 1071, section 3: the sum of these is ddf2.
    assert dhcp_packet.checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2


def test_dhcp_travels_in_ip_and_udp() -> None:
    packet = dhcp_packet.wrap(b"odd", IPv4Address(0), IPv4Address("255.255.255.255"))

    assert packet[:10] == bytes.fromhex("4500 001f 0000 0000 4011")
    assert packet[12:28] == bytes.fromhex("00000000 ffffffff 0044 0043 000b") + packet[26:28]
    assert dhcp_packet.checksum(packet[:20]) == 0
    pseudo = packet[12:20] + struct.pack("!HH", 17, 11)
    assert dhcp_packet.checksum(pseudo + packet[20:]) == 0


def test_only_udp_to_the_client_is_taken() -> None:
    def packet(first: int = 0x45, fragment: int = 0, protocol: int = 17, port: int = 68) -> bytes:
        options = bytes(((first & 15) - 5) * 4)
        head = struct.pack("!BBHHHBBH8x", first, 0, 31, 0, fragment, 64, protocol, 0)
        return head + options + struct.pack("!4H", 67, port, 11, 0) + b"odd" + b"padding"

    assert dhcp_packet.unwrap(packet()) == b"odd"
    assert dhcp_packet.unwrap(packet(first=0x46)) == b"odd"
    assert dhcp_packet.unwrap(packet(fragment=0x4000)) == b"odd"  # "don't fragment"
    for other in (
        packet(port=67),
        packet(protocol=6),
        packet(first=0x65),
        packet(fragment=0x2000),
        packet()[:27],
        b"",
    ):
        with pytest.raises(ValueError, match=r"UDP|fragment|client"):
            dhcp_packet.unwrap(other)


def test_default_routes_the_best_first() -> None:
    table = (
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "eth0\t006012AC\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
        "eth0\t00000000\t016012AC\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
    )

    assert route.default_gateways(table) == (IPv4Address("172.18.96.1"), IPv4Address("192.168.1.1"))


def test_the_interface_towards_an_address_is_that_of_the_narrowest_network() -> None:
    # Laid out by hand as the kernel prints it on a little-endian machine: 0.0.0.0/0 by 192.168.1.1 on wlan0,
    # 172.18.96.0/19 on eth0, 172.18.96.0/24 on eth1, and 10.0.0.0/8 on an interface that is down.
    table = (
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
        "eth0\t006012AC\t00000000\t0001\t0\t0\t100\t00E0FFFF\t0\t0\t0\n"
        "eth1\t006012AC\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
        "eth2\t0000000A\t00000000\t0000\t0\t0\t100\t000000FF\t0\t0\t0\n"
    )
    towards = {
        address: route.interface_towards(IPv4Address(address), table)
        for address in ("172.18.96.1", "172.18.113.39", "8.8.8.8", "10.1.1.1")
    }
    assert towards == {"172.18.96.1": "eth1", "172.18.113.39": "eth0", "8.8.8.8": "wlan0", "10.1.1.1": "wlan0"}
    assert route.interface_towards(IPv4Address("8.8.8.8"), "Iface\n") is None
