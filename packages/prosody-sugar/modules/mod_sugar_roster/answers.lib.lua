-- Part of mod_sugar_roster: the last item of a buddy, to those who ask for it
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Sugar asks for the properties of each new buddy, so a school asks N * (N - 1) times. What newcomers are told holds
-- the answer, too: it is cut out of the letter's text. All else, errors and restricted nodes, is left to mod_pep.

local outbox, items, users = module.outbox, module.pep_items, module.users;

local xmlns_pubsub = "http://jabber.org/protocol/pubsub";

local escape = require "util.stanza".xml_escape;
local pep = module:depends("pep");

-- The letter with all that a node holds, if that is one item and every contact may have it.
local function whole(user, node)
	local service = pep.get_pep_service(user.username);
	local found = service.nodes[node];
	local config = found and found.config;
	if not config or config.persist_items == false or config.include_payload == false or config.max_items ~= 1
			or not items.is_open(service, node) then
		return;
	end
	return user.items[node];
end

local function asked_for(stanza)
	local question = stanza.attr.type == "get" and stanza.tags[1].tags[1];
	if not question or question.name ~= "items" or question.tags[1] or question.attr.max_items then return; end
	return question.attr.node;
end

module:hook("iq/bare/" .. xmlns_pubsub .. ":pubsub", function (event)
	local session, stanza = event.origin, event.stanza;
	local view, user = outbox.view_of(session), users[stanza.attr.to];
	local node = view and user and asked_for(stanza);
	if not node or user == view.user or user.hood ~= view.hood or user.shown == 0 or view.user.shown == 0 then
		return;
	end
	local letter = whole(user, node);
	local first = letter and letter.tail:find("<items", 1, true);
	local last = first and letter.tail:find("</event>", first, true);
	if not last then return; end
	session.send("<iq type='result' from='" .. escape(user.jid) .. "' to='" .. view.to .. "' id='"
		.. escape(stanza.attr.id) .. "'><pubsub xmlns='" .. xmlns_pubsub .. "'>" .. letter.tail:sub(first, last - 1)
		.. "</pubsub></iq>");
	return true;
end, 10);
