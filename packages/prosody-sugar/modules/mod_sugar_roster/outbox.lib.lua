-- Part of mod_sugar_roster: what goes to many sessions is written to each of them in few, large pieces
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- A write costs more than the stanza in it: system calls, a timer, a TLS record. So what is meant for a session is
-- queued, and goes out when the server comes to rest; under load not before the last flush has paid for itself, so
-- that writing stays a small part of all work. Whatever else is sent to the session joins the queue, so that the
-- order is always that of the events.
--
-- A queue holds references: strings, or letters that all receivers share. They are made into text piece by piece, as
-- the connection takes it; so a thousand slow laptops do not fill the memory with a thousand copies.
--
-- A queue belongs to a view, a table with the fields `session`, `bare` and `full`; its fields that begin with an
-- underscore are this file's. A letter is { head, tail, is_public }, the text around the receiver's bare (if public)
-- or full JID, or { fill = function (letter) -> text }.

local filters = require "util.filters";
local now = require "util.time".monotonic;

local concat, clock, type = table.concat, os.clock, type;

local REST = 15; -- a flush that took 10 ms of processor time is followed by 150 ms without one ...
local LONGEST_REST = 0.5; -- ... but presence is never held back longer than this, in seconds
local PIECE = 64 * 1024; -- bytes that a connection gets at a time
local KEPT = 32; -- entries; a longer queue's table is given to the collector after use

local stall_seconds = module:get_option_number("sugar_stall_seconds", 60);
local queue_limit = module:get_option_number("sugar_queue_limit", 100000);

local views = setmetatable({}, { __mode = "k" }); -- session -> view
local waiting, is_scheduled = {}, false;
local flushed_at, cost = 0, 0;

-- Up to a piece from the front of the queue, and an optional text behind it all.
local function take(view, limit, behind)
	local queue, i, last = view._queue, view._first, view._last;
	local text, n, size = {}, 0, 0;
	while i <= last and size < limit do
		local entry = queue[i];
		queue[i] = false;
		i = i + 1;
		if type(entry) ~= "string" then
			if entry.fill then
				entry = entry:fill();
			else
				text[n + 1], text[n + 2] = entry.head, entry.is_public and view.bare or view.full;
				n = n + 2;
				size = size + #entry.head + 64;
				entry = entry.tail;
			end
		end
		n = n + 1;
		text[n] = entry;
		size = size + #entry;
	end
	view._first = i;
	if i > last then
		if last > KEPT then view._queue = {}; end
		view._first, view._last = 1, 0;
	end
	text[n + 1] = behind;
	return concat(text);
end

local function is_empty(view)
	return view._first > view._last;
end

local function flush()
	is_scheduled = false;
	local batch, started = waiting, clock();
	waiting = {};
	for i = 1, #batch do
		local view = batch[i];
		view._waits = false;
		if not view._busy_since and not is_empty(view) then view.session.rawsend(""); end
	end
	cost, flushed_at = clock() - started, now();
end

local function wait(view)
	view._waits = true;
	waiting[#waiting + 1] = view;
	if is_scheduled then return; end
	is_scheduled = true;
	local rest = flushed_at + math.min(cost * REST, LONGEST_REST) - now();
	module:add_timer(math.max(rest, 0), flush);
end

local function put(view, entry)
	local last = view._last + 1;
	view._queue[last] = entry;
	view._last = last;
	if not view._waits and not view._busy_since then wait(view); end
end

-- Everything that is written passes here. Until the connection has taken all that it was given the session is busy;
-- it gets a piece at most, and what is beyond that stays in the queue.
local function pass(data, session)
	local view = views[session];
	if not view then return data; end
	if view._ends then return take(view, math.huge, data); end
	if not is_empty(view) or view._given >= PIECE then
		if data ~= "" then put(view, data); end
		data = view._given < PIECE and take(view, PIECE - view._given) or "";
	end
	if data == "" then return nil; end
	view._given = view._given + #data;
	view._busy_since = view._busy_since or now();
	return data;
end

module:hook("c2s-ondrain", function (event)
	local view = views[event.session];
	if not view then return; end
	view._busy_since, view._given = nil, 0;
	if not is_empty(view) then view.session.rawsend(""); end
end);

-- The stream's end must not wait behind what the client will not read any more.
module:hook("pre-session-close", function (event)
	local view = views[event.session];
	if view then view._ends = true; end
end);

local function give_up(view)
	local session, connection = view.session, view.session.conn;
	session.log("warn", "The client does not read what is sent to it, closing its connection");
	view._first, view._last, view._queue = 1, 0, {};
	session:close({ condition = "policy-violation", text = "Nothing has been read for too long" });
	-- Not after the usual three minutes, for which everything unsent would stay in memory.
	if connection and connection.setwritetimeout then connection:setwritetimeout(1); end
end

module:add_timer(5, function ()
	local deadline, stalled = now() - stall_seconds, {};
	for _, view in pairs(views) do
		if view._busy_since and (view._busy_since < deadline or view._last - view._first > queue_limit) then
			stalled[#stalled + 1] = view;
		end
	end
	for _, view in ipairs(stalled) do give_up(view); end
	return 5;
end);

local function open(view)
	view._queue, view._first, view._last, view._given, view._waits = {}, 1, 0, 0, false;
	views[view.session] = view;
	filters.add_filter(view.session, "bytes/out", pass);
	return view;
end

local function close(view)
	view._queue, view._first, view._last = {}, 1, 0;
	views[view.session] = nil;
	if view.session.filters then filters.remove_filter(view.session, "bytes/out", pass); end
end

-- Before the module goes: everything is written.
local function empty_all()
	for session, view in pairs(views) do
		view._ends = true;
		if not is_empty(view) then session.rawsend(""); end
	end
end

-- Where the module's other parts find it: module:require makes everything anew each time.
module.outbox = {
	open = open; close = close; put = put; empty_all = empty_all;
	view_of = function (session) return views[session]; end;
};

return module.outbox;
