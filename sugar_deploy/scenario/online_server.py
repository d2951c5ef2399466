"""online-server: a school server between its LAN and the Internet, always or mostly connected.

Without a LAN of its own, in a building whose network someone else runs, it serves like online-peers.
"""

from __future__ import annotations

from sugar_deploy.scenario.offer import ON_A_LAN, Offer

# The own clock is the fallback: laptops keep agreeing on the time while the line is down.
OFFER = Offer(lan_services=ON_A_LAN | {"gateway"}, follows_time="always", own_clock=True)
