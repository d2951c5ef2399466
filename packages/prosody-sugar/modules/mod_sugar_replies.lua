-- mod_sugar_replies: answers to requests without `to` say whom they are from
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- A request without `to` is meant for the user's own account, and its answer may come without `from`. That is
-- correct XMPP and confuses telepathy-gabble; so these answers carry the account's bare JID.

local filters = require "util.filters";
local sessions = module:require "sugar_sessions";

local xmlns_bind = "urn:ietf:params:xml:ns:xmpp-bind";

local function name_sender(stanza, session)
	local attr = stanza.attr;
	if stanza.name == "iq" and not attr.from and (attr.type == "result" or attr.type == "error")
			and session.full_jid and not stanza:get_child("bind", xmlns_bind) then
		attr.from = session.username .. "@" .. session.host;
	end
	return stanza;
end

sessions.look_after(function (session)
	filters.add_filter(session, "stanzas/out", name_sender);
end, function (session)
	filters.remove_filter(session, "stanzas/out", name_sender);
end);
