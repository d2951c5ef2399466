-- mod_sugar_alive: a laptop that has gone without a word is noticed within minutes
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- A battery that is empty ends no TCP connection: the others would see the child for as long as TCP tries. A client
-- that has been silent for network_settings.read_timeout is asked for a sign of life; after as long again it is gone.

local filters = require "util.filters";
local st = require "util.stanza";

local asked = setmetatable({}, { __mode = "k" }); -- session -> true

local function heard(data, session)
	asked[session] = nil;
	return data;
end

local function each_session(act)
	for _, user in pairs(prosody.hosts[module.host].sessions) do
		for _, session in pairs(user.sessions) do act(session, "bytes/in", heard); end
	end
end

module:hook("resource-bind", function (event)
	filters.add_filter(event.session, "bytes/in", heard);
end);

module:hook("c2s-read-timeout", function (event)
	local session = event.session;
	if not session.full_jid then return; end
	if asked[session] then return false; end
	asked[session] = true;
	-- An answer, whatever it is, is a sign of life.
	session.send(st.iq({ type = "get", id = "alive", from = module.host, to = session.full_jid })
		:tag("ping", { xmlns = "urn:xmpp:ping" }));
	return true;
end, 10);

function module.load()
	each_session(filters.add_filter);
end

function module.unload()
	each_session(filters.remove_filter);
end
