"""offline-server: a school server on an isolated LAN; an uplink, if any, is for the administrator."""

from __future__ import annotations

from sugar_deploy.scenario.offer import Offer

OFFER = Offer(lan_services=frozenset({"dhcp", "dns"}), follows_time="with-uplink", own_clock=True)
