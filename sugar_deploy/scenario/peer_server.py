"""peer-server: one of the laptops, or a small board, serves the others on its own, perhaps by its radio."""

from __future__ import annotations

from sugar_deploy.scenario.offer import ON_A_LAN, Offer

# The uplink of a peer comes and goes, and a laptop's clock is set when it is flashed or connected to a server.
OFFER = Offer(lan_services=ON_A_LAN, follows_time="never", own_clock=True)
