# SPDX-License-Identifier: GPL-3.0-or-later
"""What the deployment's repository offers, from apt's own copies of its indexes or from a state on the disk."""

from __future__ import annotations

import gzip
import os

WANTED = ("Package", "Version", "Architecture", "Filename", "SHA256", "Size")


def packages_in(text):
    """The packages of an index, each with its fields."""
    found, fields = [], {}
    for line in [*text.splitlines(), ""]:
        if not line.strip():
            if "Package" in fields and "Version" in fields:
                found.append(fields)
            fields = {}
        elif not line[0].isspace():
            name, _colon, value = line.partition(":")
            if name in WANTED:
                fields[name] = value.strip()
    return found


def packages_of_state(state, architecture):
    """The packages of every suite in a carried state, with the path of each; damaged indexes hold none."""
    found = []
    for folder, _names, names in os.walk(os.path.join(state, "dists")):
        if os.path.basename(folder) == f"binary-{architecture}":
            for each in packages_in(_index(folder, names)):
                each["path"] = os.path.join(state, each.get("Filename", ""))
                found.append(each)
    return found


def _index(folder, names):
    try:
        if "Packages" in names:
            with open(os.path.join(folder, "Packages"), encoding="utf-8") as file:
                return file.read()
        if "Packages.gz" in names:
            with gzip.open(os.path.join(folder, "Packages.gz"), "rt", encoding="utf-8") as file:
                return file.read()
    except (OSError, UnicodeDecodeError):
        pass
    return ""
