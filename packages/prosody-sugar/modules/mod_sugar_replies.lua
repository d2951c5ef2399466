-- mod_sugar_replies: answers to requests without `to` say whom they are from
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- A request without `to` is meant for the user's own account, and its answer may come without `from`. That is
-- correct XMPP and confuses telepathy-gabble; so these answers carry the account's bare JID.

local filters = require "util.filters";

local xmlns_bind = "urn:ietf:params:xml:ns:xmpp-bind";

local function name_sender(stanza, session)
	local attr = stanza.attr;
	if stanza.name == "iq" and not attr.from and (attr.type == "result" or attr.type == "error")
			and session.full_jid and not stanza:get_child("bind", xmlns_bind) then
		attr.from = session.username .. "@" .. session.host;
	end
	return stanza;
end

module:hook("resource-bind", function (event)
	filters.add_filter(event.session, "stanzas/out", name_sender);
end);

local function each_session(act)
	for _, user in pairs(prosody.hosts[module.host].sessions) do
		for _, session in pairs(user.sessions) do act(session, "stanzas/out", name_sender); end
	end
end

function module.load()
	each_session(filters.add_filter);
end

function module.unload()
	each_session(filters.remove_filter);
end
