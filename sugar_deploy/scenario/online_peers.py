"""online-peers: laptops find each other through a server on the Internet; there is no school LAN to serve."""

from __future__ import annotations

from sugar_deploy.scenario.offer import Offer

OFFER = Offer(lan_services=frozenset(), follows_time="always", own_clock=False)
