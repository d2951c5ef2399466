# SPDX-License-Identifier: GPL-3.0-or-later
"""What a form of ours sends, once it is sure that it was a page of ours that sent it."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from sugar_server.requests import BadRequest, small_body

_LARGEST = 16 * 1024
_MOST_FIELDS = 20


async def read(request: Request) -> dict[str, str]:
    """The form's fields, the last of each name; BadRequest if it is no form, or another site's."""
    if not _from_own_page(request):
        raise BadRequest("the form does not come from a page of this server", 403)
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise BadRequest("this is no form", 415)
    body = await small_body(request, _LARGEST)
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="replace")
    except ValueError:
        raise BadRequest("the form cannot be read", 400) from None
    return dict(pairs)


def _from_own_page(request: Request) -> bool:
    """Whether the browser says that the page is ours; old ones do not know Origin, and all send Referer to us."""
    host = request.headers.get("host", "").lower()
    sender = request.headers.get("origin") or request.headers.get("referer") or ""
    try:
        parts = urlsplit(sender)
    except ValueError:
        return False
    return bool(host) and parts.scheme in {"http", "https"} and _plain(parts.netloc) == _plain(host)


def _plain(host: str) -> str:
    """A host and port as browsers write them: without the usual port."""
    host = host.lower()
    return host[: -len(":80")] if host.endswith(":80") else host
