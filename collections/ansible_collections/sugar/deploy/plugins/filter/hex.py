# SPDX-License-Identifier: GPL-3.0-or-later
"""Encodings that configuration files want and Ansible has no filter for."""

from __future__ import annotations

DOCUMENTATION = r"""
---
name: hex
short_description: A text's UTF-8 bytes as hexadecimal digits
description:
  - For files in which a text may hold quotes or line ends, such as the names of wireless networks.
options:
  _input:
    description: The text.
    type: str
    required: true
author:
  - sugar-deploy
"""

EXAMPLES = r"""
ssid: "{{ 'Ad-hoc Network 1' | sugar.deploy.hex }}"
"""

RETURN = r"""
_value:
  description: The digits, in lower case.
  type: str
"""


def to_hex(text):
    """The text's UTF-8 bytes as hexadecimal digits."""
    return str(text).encode("utf-8").hex()


class FilterModule:
    """The filters of this file."""

    def filters(self):
        """By name."""
        return {"hex": to_hex}
