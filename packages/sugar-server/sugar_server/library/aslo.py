# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer of activities.sugarlabs.org to one laptop's question, in RDF: what jarabe.model.update.aslo reads."""

from __future__ import annotations

from html import escape

from sugar_server.library.shelf import Item

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<RDF:RDF xmlns:RDF="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
    'xmlns:em="http://www.mozilla.org/2004/em-rdf#">'
)
_UPDATE = """
<RDF:Description about="urn:mozilla:extension:{id}"><em:updates><RDF:Seq><RDF:li><RDF:Description>
<em:version>{version}</em:version>
<em:targetApplication><RDF:Description>
<em:updateLink>{link}</em:updateLink>
<em:updateSize>{kibibytes}</em:updateSize>
</RDF:Description></em:targetApplication>
</RDF:Description></RDF:li></RDF:Seq></em:updates></RDF:Description>"""


def answer(item: Item | None, link: str) -> str:
    """What is there of the bundle that was asked for; None: nothing."""
    if item is None:
        return f"{_HEAD}</RDF:RDF>\n"
    kibibytes = -(-item.size // 1024)
    update = _UPDATE.format(
        id=escape(item.bundle.bundle_id), version=escape(item.bundle.version), link=escape(link), kibibytes=kibibytes
    )
    return f"{_HEAD}{update}</RDF:RDF>\n"
