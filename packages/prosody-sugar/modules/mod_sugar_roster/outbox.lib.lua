-- Part of mod_sugar_roster: what goes to many sessions is written to each of them in few, large pieces
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- A write costs more than the stanza in it: system calls, a timer, a TLS record. So what is meant for a session goes
-- out when the server comes to rest; under load not before the last flush has paid for itself, so that writing stays
-- a small part of all work. Whatever else is sent to the session joins the queue behind, so that the order is always
-- that of the events. Text is made piece by piece, as the connection takes it: a thousand slow laptops do not fill
-- the memory with a thousand copies; and only so much at once as Prosody's loop then writes, because what is made for
-- a thousand quick ones before the first write would do the same.
--
-- A view is a session and its place in a log (see neighborhood.lib.lua) that many views read:
--   session, log ({ last = ... }), cursor (the next place that it reads)
--   read(view, upto, text, n, size, limit) -> n, size    adds to `text` what it sees as far as `upto`
-- Between what it reads stand the entries of its own queue: strings, or tables with
--   read(entry, view, text, n, size, limit) -> n, size, is_done
-- Fields that begin with an underscore are this file's.

local filters = require "util.filters";
local now = require "util.time".monotonic;

local concat, clock, type = table.concat, os.clock, type;

local REST = 15; -- a flush that took 10 ms of processor time is followed by 150 ms without one ...
local LONGEST_REST = 0.5; -- ... but presence is never held back longer than this, in seconds
local PIECE, SMALL_PIECE = 8 * 1024, 4 * 1024; -- bytes that a connection gets at a time ...
local SLOW = 0.1; -- ... and what it gets if it took longer than this, in seconds, for the last piece
local SLICE = 1024 * 1024; -- bytes that are made for all connections before those are written
local KEPT = 32; -- entries; a longer queue's table is given to the collector after use

local stall_seconds = module:get_option_number("sugar_stall_seconds", 60);
local backlog_limit = module:get_option_number("sugar_backlog_limit", 100000); -- entries, of the log or the queue

local views = setmetatable({}, { __mode = "k" }); -- session -> view
local waiting, waiting_groups, is_scheduled = {}, {}, false; -- for the next flush
local line, line_first, line_last, is_advancing = {}, 1, 0, false; -- views whose text is to be made now
local flushed_groups = {}; -- whose views are in the line
local flushed_at, cost, made = 0, 0, 0;
local scratch = {}; -- for the pieces of a text: growing a new table each time would make more garbage than the text

local function is_empty(view)
	return view._first > view._last and view.cursor > view.log.last;
end

-- Up to a piece from the front, and an optional text behind it all.
local function take(view, limit, behind)
	local queue, i, last = view._queue, view._first, view._last;
	local text, n, size, is_done = scratch, 0, 0, true;
	while size < limit do
		n, size = view:read(i <= last and view._places[i] or view.log.last, text, n, size, limit);
		if i > last or size >= limit then break; end
		local entry = queue[i];
		if type(entry) == "string" then
			n = n + 1;
			text[n], size = entry, size + #entry;
		else
			n, size, is_done = entry:read(view, text, n, size, limit);
		end
		if is_done then
			queue[i] = false;
			i = i + 1;
		end
	end
	view._first = i;
	if i > last then
		if last > KEPT then view._queue, view._places = {}, {}; end
		view._first, view._last = 1, 0;
	end
	if behind then
		n = n + 1;
		text[n] = behind;
	end
	return concat(text, "", 1, n);
end

local function write(view)
	view._waits = false;
	if not view._busy_since and view.session.rawsend and not is_empty(view) then view.session.rawsend(""); end
end

local function forget_read()
	for group in pairs(flushed_groups) do group:forget_read(); end
	flushed_groups = {};
end

local function advance()
	local started = clock();
	made, is_advancing = 0, false; -- whoever stands in line next goes on, should this end with an error
	while line_first <= line_last and made < SLICE do
		local view = line[line_first];
		line[line_first] = nil;
		line_first = line_first + 1;
		write(view);
	end
	cost = cost + clock() - started;
	if line_first <= line_last then
		is_advancing = true;
		return 0; -- in the loop's next turn
	end
	line_first, line_last = 1, 0;
	forget_read();
	flushed_at = now();
end

local function stand_in_line(view)
	view._waits = true;
	line_last = line_last + 1;
	line[line_last] = view;
	if is_advancing then return; end
	is_advancing = true;
	module:add_timer(0, advance);
end

local function rest()
	return flushed_at + math.min(cost * REST, LONGEST_REST) - now();
end

local function flush()
	local left = rest();
	if left > 0 then return left; end -- the last one was longer than it seemed
	is_scheduled = false;
	local batch, groups = waiting, waiting_groups;
	waiting, waiting_groups = {}, {};
	forget_read();
	cost, flushed_at = 0, now();
	for i = 1, #batch do stand_in_line(batch[i]); end
	for group in pairs(groups) do
		flushed_groups[group] = true;
		for _, view in ipairs(group.views) do
			if not view._waits and not view._busy_since then stand_in_line(view); end
		end
	end
end

local function schedule()
	if is_scheduled then return; end
	is_scheduled = true;
	module:add_timer(math.max(rest(), 0), flush);
end

-- All views of a group have something to read.
local function wake(group)
	if waiting_groups[group] then return; end
	waiting_groups[group] = true;
	schedule();
end

local function put(view, entry)
	local last = view._last + 1;
	view._queue[last], view._places[last] = entry, view.log.last;
	view._last = last;
	if not view._waits and not view._busy_since then
		view._waits = true;
		waiting[#waiting + 1] = view;
		schedule();
	end
end

-- An entry for a long text of many parts, which others may have in common; one of them may be left out.
local pieces = {};
pieces.__index = pieces;

function pieces:read(_, text, n, size, limit)
	local parts, without, i = self.parts, self.without, self.i;
	while parts[i] and size < limit do
		if parts[i] ~= without then
			n = n + 1;
			text[n], size = parts[i], size + #parts[i];
		end
		i = i + 1;
	end
	self.i = i;
	return n, size, parts[i] == nil;
end

local function new_pieces(parts, without)
	return setmetatable({ parts = parts; without = without; i = 1 }, pieces);
end

local function forget(view)
	view._queue, view._places, view._first, view._last, view.cursor = {}, {}, 1, 0, view.log.last + 1;
end

-- Before a view begins to see differently: what it has not read yet becomes text, if anybody is left to read it.
local function settle(view)
	if is_empty(view) then return; end
	if view.session.destroyed then return forget(view); end
	local text = take(view, math.huge);
	if text ~= "" then put(view, text); end
end

-- A view that reads another log now: what is in its queue comes before that.
local function rebase(view)
	for i = view._first, view._last do view._places[i] = 0; end
end

-- Everything that is written passes here. Until the connection has taken all that it was given the session is busy;
-- it gets a piece at most, and what is beyond that stays in the queue.
local function pass(data, session)
	local view = views[session];
	if not view then return data; end
	if view._ends then return take(view, math.huge, data); end
	local room = view._piece - view._given;
	if not is_empty(view) or room <= 0 then
		if data ~= "" then put(view, data); end
		data = room > 0 and take(view, room) or "";
	end
	if data == "" then return nil; end
	made = made + #data;
	view._given = view._given + #data;
	view._busy_since = view._busy_since or now();
	return data;
end

module:hook("c2s-ondrain", function (event)
	local view = views[event.session];
	if not view then return; end
	view._piece = view._busy_since and now() - view._busy_since > SLOW and SMALL_PIECE or PIECE;
	view._busy_since, view._given = nil, 0;
	if not view._waits and not is_empty(view) then stand_in_line(view); end
end);

-- The stream's end must not wait behind what the client will not read any more.
module:hook("pre-session-close", function (event)
	local view = views[event.session];
	if view then view._ends = true; end
end);

local function give_up(view)
	local session, connection = view.session, view.session.conn;
	session.log("warn", "The client does not read what is sent to it, closing its connection");
	forget(view);
	session:close({ condition = "policy-violation", text = "Nothing has been read for too long" });
	-- Not after the usual three minutes, for which everything unsent would stay in memory.
	if connection and connection.setwritetimeout then connection:setwritetimeout(1); end
end

local function is_stalled(view)
	return view._busy_since and (view._busy_since < now() - stall_seconds
		or view._last - view._first > backlog_limit or view.log.last - view.cursor > backlog_limit);
end

module:add_timer(5, function ()
	local stalled = {};
	for _, view in pairs(views) do
		if is_stalled(view) then stalled[#stalled + 1] = view; end
	end
	for _, view in ipairs(stalled) do give_up(view); end
	return 5;
end);

local function open(view)
	view._queue, view._places, view._first, view._last, view._waits = {}, {}, 1, 0, false;
	view._given, view._piece = 0, PIECE;
	views[view.session] = view;
	filters.add_filter(view.session, "bytes/out", pass);
	return view;
end

local function close(view)
	forget(view);
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
	open = open; close = close; put = put; wake = wake; settle = settle; rebase = rebase; empty_all = empty_all;
	is_empty = is_empty; pieces = new_pieces;
	view_of = function (session) return views[session]; end;
};

return module.outbox;
