-- mod_sugar_alive: a laptop that has gone without a word is noticed within minutes
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- A battery that is empty ends no TCP connection: the others would see the child for as long as TCP tries. A client
-- that has been silent for sugar_silence_seconds is asked for a sign of life; after twice as long it is gone. (Not
-- by Prosody's own read timeout: that one is forgotten whenever mod_limits makes a connection wait. It is put off at
-- each piece that is read, so connections that are looked after here do without.)

local filters = require "util.filters";
local st = require "util.stanza";
local now = require "util.time".monotonic;
local sessions = module:require "sugar_sessions";

local seconds = module:get_option_number("sugar_silence_seconds", 150);

local heard_at, asked = setmetatable({}, { __mode = "k" }), setmetatable({}, { __mode = "k" });

local function hear(data, session)
	heard_at[session], asked[session] = now(), nil;
	return data;
end

local function no_timeout() end

local function listen(session)
	heard_at[session] = now();
	filters.add_filter(session, "bytes/in", hear);
	local connection = session.conn;
	if connection and connection.setreadtimeout then
		connection:setreadtimeout(false);
		connection.setreadtimeout = no_timeout;
	end
end

local function leave(session)
	filters.remove_filter(session, "bytes/in", hear);
	local connection = session.conn;
	if connection and connection.setreadtimeout == no_timeout then
		connection.setreadtimeout = nil;
		connection:setreadtimeout();
	end
end

local function ask(session)
	asked[session] = true;
	-- An answer, whatever it is, is a sign of life.
	session.send(st.iq({ type = "get", id = "alive", from = module.host, to = session.full_jid })
		:tag("ping", { xmlns = "urn:xmpp:ping" }));
end

local function give_up(session)
	local connection = session.conn;
	session:close({ condition = "connection-timeout", text = "Nothing was heard for too long" });
	-- There is nobody to take what is left to write.
	if connection and connection.setwritetimeout then connection:setwritetimeout(1); end
end

module:add_timer(seconds / 10, function ()
	for _, session in ipairs(sessions.all()) do
		local silence = now() - (heard_at[session] or now());
		if silence > 2 * seconds then
			give_up(session);
		elseif silence > seconds and not asked[session] then
			ask(session);
		end
	end
	return seconds / 10;
end);

sessions.look_after(listen, leave);
