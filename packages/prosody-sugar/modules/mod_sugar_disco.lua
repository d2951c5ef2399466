-- mod_sugar_disco: what every laptop asks when it comes online is worked out once for all who come together
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- telepathy-gabble asks the server what it is and has, and the rooms what they are, before anything else. Prosody
-- makes each answer anew. It is the same for all, so those who ask within a moment get the same text, as soon as the
-- question is read. Other questions, with a node or to other addresses, go their usual way.

local filters = require "util.filters";
local escape = require "util.stanza".xml_escape;
local now = require "util.time".monotonic;
local sessions = module:require "sugar_sessions";

local INFO, ITEMS = "http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/disco#items";
local MOMENT = 2; -- seconds: what modules add to or take from an answer is in it then

local answers = { [INFO] = {}, [ITEMS] = {} }; -- namespace -> address -> text, since

-- To what all are answered alike: the server's own address, and the rooms' without their list.
local function is_common(to, xmlns)
	if to == module.host then return true; end
	local host = prosody.hosts[to];
	return xmlns == INFO and host and host.type == "component" and host.modules.muc ~= nil;
end

-- What Prosody itself answers: the child of the reply as text, if it is a result.
local function make(session, stanza, to, xmlns)
	local reply;
	local asker = setmetatable({ send = function (sent) reply = sent; end }, { __index = session });
	prosody.hosts[to].events.fire_event("iq-get/host/" .. xmlns .. ":query", { origin = asker; stanza = stanza });
	return reply and reply.attr.type == "result" and tostring(reply.tags[1]) or nil;
end

local function common_answer(session, stanza, to, xmlns)
	local known = answers[xmlns][to];
	if known and now() - known.since < MOMENT then return known.text; end
	local text = make(session, stanza, to, xmlns);
	answers[xmlns][to] = text and { text = text; since = now() };
	return text;
end

local function asked_for(stanza)
	local query = stanza.name == "iq" and stanza.attr.type == "get" and stanza.attr.id and stanza.tags[1];
	if not query or stanza.tags[2] or query.name ~= "query" or query.attr.node or query.tags[1] then return; end
	return answers[query.attr.xmlns] and query.attr.xmlns;
end

local function answer(stanza, session)
	local xmlns, to = asked_for(stanza), stanza.attr.to;
	-- What was sent before is answered before.
	if not xmlns or not to or session.thread.state ~= "ready" or not is_common(to, xmlns) then return stanza; end
	local text = common_answer(session, stanza, to, xmlns);
	if not text then return stanza; end
	session.send("<iq type='result' id='" .. escape(stanza.attr.id) .. "' from='" .. escape(to) .. "' to='"
		.. escape(session.full_jid) .. "'>" .. text .. "</iq>");
end

sessions.look_after(function (session)
	if session.thread then filters.add_filter(session, "stanzas/in", answer); end
end, function (session)
	filters.remove_filter(session, "stanzas/in", answer);
end);
