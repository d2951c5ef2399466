# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a page's offers a laptop takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sugar_client.update.page import Offer
from sugar_client.update.version import Version


def newer(offers: Iterable[Offer], installed: Mapping[str, Version], automatic: bool) -> list[Offer]:
    """What is newer than here, or not here at all, sorted by name; optional ones only when somebody asks for them."""
    wanted = [
        offer
        for offer in offers
        if not (automatic and offer.optional)
        and (offer.bundle_id not in installed or offer.version > installed[offer.bundle_id])
    ]
    return sorted(wanted, key=lambda offer: (offer.name.casefold(), offer.bundle_id))
