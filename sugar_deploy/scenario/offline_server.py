"""offline-server: a school server on an isolated LAN; an uplink, if any, is for the administrator."""

from __future__ import annotations

from sugar_deploy.scenario.offer import ON_A_LAN, Offer

OFFER = Offer(lan_services=ON_A_LAN, follows_time="with-uplink", own_clock=True)
