# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures, leases, delegations, developer keys and theft deterrence of XO laptops.

Read strictly, written exactly, verified in the order in which the laptops' firmware verifies. The formats are those
of OLPC's bios-crypto tools and of the firmware's security.fth, fsupdate.fth and oatstime.fth.
"""
