# SPDX-License-Identifier: GPL-3.0-or-later
"""The page that a browser sees: it names the school, and says how to register."""

from __future__ import annotations

import base64
import hashlib
from html import escape

_STYLE = (
    ":root{color-scheme:light dark}body{font:1.25rem/1.5 sans-serif;max-width:40rem;margin:2rem auto;"
    "padding:0 1rem}h1{line-height:1.2;overflow-wrap:anywhere}"
)
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>You have reached the school server.</p>
<h2>Register your laptop</h2>
<p>In Sugar's Home view, open the menu of the figure in the middle and choose “Register”. You do it once;
afterwards your laptop finds its classmates.</p>
</main>
</body>
</html>
"""


def page(title: str) -> str:
    """The HTML page of the school named TITLE."""
    return _PAGE.format(title=escape(title), style=_STYLE)
