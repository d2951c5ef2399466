-- Part of mod_sugar_roster: those who see each other
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- One structure for a whole neighborhood (a school or a class): its members who are online, and a log of what is told
-- of them. Whatever is told is made once, as text around the receiver's JID; the views of all sessions read the same
-- log, each at its own pace. Nothing is kept for a pair.
--
-- user:   jid, username, own (its own contacts, by JID), item (its line in other rosters), views, shown (how many of
--         its sessions are available), since (the log's place when it came, while it is there), came (the same, also
--         afterwards), enrolled (its place in the roll), items (its PEP items, letters by node)
-- view:   what outbox.lib.lua says, and user, hood, place (in its views), to (its JID, escaped), interested (in the
--         roster), available, presence (its letter), nodes (of PEP, that it wants to hear of), sees (these as they
--         were at the place that it reads), joined (how far it has been told of contacts)
-- letter: user, head and tail, at (its place in the log), node (if it is an item); or user and contact, which is
--         true or false: one more or one less in the roster

local st = require "util.stanza";

local outbox = module.outbox;

-- The protocol wants one item in each push, and each push is answered: half a million answers on the morning of a
-- school of a thousand. Sugar's client takes any number of items (process_roster in telepathy-gabble's roster.c, and
-- its like since the first release); so when more than this many arrive at once, they arrive in one push.
local MOST_SINGLE_PUSHES = 3;
-- And not more in one than arrive within a stretch of the log of this many letters. Stretches begin at the same places
-- for all: when a whole school comes back, each comes at a place of its own, but soon reads what all others read.
local STRETCH = 512;

local push_count = 0;

local function push(items)
	push_count = push_count + 1;
	return "<iq type='set' id='roster-" .. push_count .. "'><query xmlns='jabber:iq:roster'>" .. items .. "</query></iq>";
end

local function is_answer_to_push(stanza)
	return stanza.name == "iq" and stanza.attr.type == "result" and (stanza.attr.id or ""):sub(1, 7) == "roster-";
end

-- The text of a contact in a roster; what a user has noted about it itself stays.
local function item_text(jid, subscription, own)
	local item = st.stanza("item", {
		jid = jid; subscription = subscription; name = own and own.name; ask = own and own.ask;
	});
	for group in pairs(own and own.groups or {}) do item:text_tag("group", group); end
	return tostring(item);
end

local neighborhood = {};
neighborhood.__index = neighborhood;

local function new()
	return setmetatable({
		views = {}; members = {}; roll = {}; gone = 0; log = { first = 1; last = 0 }; pushes = {};
	}, neighborhood);
end

-- Reading the log

-- The pushes for the arrivals from one place of the log to another, but for those whom the view's user is or knows
-- itself. Most views read the same: that text is kept, once a second one has asked for it.
local function arrivals(hood, view, first, last)
	local user, own = view.user, view.user.own;
	local is_common = next(own, next(own)) == nil and not (user.came and user.came >= first); -- own[false] is no contact
	local key = first .. "-" .. last;
	local known = is_common and hood.pushes[key];
	if known then return known; end
	local items, text = {}, "";
	for i = first, last do
		local letter = hood.log[i];
		if letter.contact and letter.user ~= user then
			local noted = own[letter.user.jid];
			items[#items + 1] = noted and item_text(letter.user.jid, "both", noted) or letter.user.item;
		end
	end
	if #items > MOST_SINGLE_PUSHES then
		text = push(table.concat(items));
	else
		for _, item in ipairs(items) do text = text .. push(item); end
	end
	if is_common then hood.pushes[key] = known == false and text or false; end
	return text;
end

local function contact_text(hood, view, i, upto)
	local log, letter = hood.log, hood.log[i];
	if not letter.contact then
		local own = view.user.own[letter.user.jid];
		return own and push(item_text(letter.user.jid, own.subscription, own)) or letter.removal;
	end
	if i <= view.joined then return ""; end
	local last = i;
	while last < upto and last % STRETCH ~= 0 and log[last + 1].contact ~= false do last = last + 1; end
	view.joined = last;
	return arrivals(hood, view, i, last);
end

local function read(view, upto, text, n, size, limit)
	local hood, log, i = view.hood, view.log, view.cursor;
	local user, to, sees = view.user, view.to, view.sees;
	local available, nodes, interested = sees.available, sees.nodes, sees.interested;
	while i <= upto and size < limit do
		local letter = log[i];
		local of_other = letter.user ~= user;
		if letter.contact ~= nil then
			if of_other and interested then
				n = n + 1;
				text[n] = contact_text(hood, view, i, upto);
				size = size + #text[n];
			end
		elseif of_other and available and (not letter.node or nodes and nodes[letter.node]) then
			local head = letter.head;
			text[n + 1], text[n + 2], text[n + 3] = head, to, letter.tail;
			n, size = n + 3, size + #head + 300;
		end
		i = i + 1;
	end
	view.cursor = i;
	return n, size;
end

-- An entry for the queue: how the view sees from there on.
local sight = {};
sight.__index = sight;

function sight:read(view, _, n, size)
	view.sees = self;
	return n, size, true;
end

-- After a change of what the view sees. What it has not read yet it reads as it was seen.
local function look(view)
	local sees = setmetatable({
		interested = view.interested; available = view.available; nodes = view.nodes;
	}, sight);
	if outbox.is_empty(view) then view.sees = sees; else outbox.put(view, sees); end
end

-- Writing the log

function neighborhood:append(letter)
	local log = self.log;
	local last = log.last + 1;
	log[last], log.last, letter.at = letter, last, last;
	if self.overheard then self.overheard(letter); end
	outbox.wake(self);
	return last;
end

-- After a flush: what all have read.
function neighborhood:forget_read()
	local log, views = self.log, self.views;
	local first = log.last + 1;
	for i = 1, #views do
		if views[i].cursor < first then first = views[i].cursor; end
	end
	for i = log.first, first - 1 do log[i] = nil; end
	log.first, self.pushes = first, {};
end

-- `known` are full JIDs that have been told already.
function neighborhood:tell(letter, known)
	local exempt = {};
	for jid in pairs(known or exempt) do
		local session = prosody.full_sessions[jid];
		local view = session and outbox.view_of(session);
		if view and view.hood == self and view.user ~= letter.user then
			outbox.settle(view);
			exempt[view] = true;
		end
	end
	local at = self:append(letter);
	for view in pairs(exempt) do view.cursor = at + 1; end
end

-- A member becomes a contact of the others, or is none any more.
function neighborhood:add_member(user)
	self:welcome(user);
	self:enroll(user);
end

function neighborhood:welcome(user)
	user.since = self:append({ user = user, contact = true });
	user.came = user.since;
end

function neighborhood:enroll(user)
	local roll = self.roll;
	self.members[user], self.listed = true, nil;
	roll[#roll + 1] = user;
	user.enrolled = #roll;
end

function neighborhood:remove_member(user)
	self:append({ user = user, contact = false, removal = push(item_text(user.jid, "remove")) });
	user.since = nil;
	self.members[user], self.listed = nil, nil;
	self.roll[user.enrolled] = false;
	self.gone = self.gone + 1;
	if self.gone * 2 > #self.roll then
		local members = self.members;
		self.members, self.roll, self.gone = {}, {}, 0; -- those who look back still have the old roll
		for member in pairs(members) do self:enroll(member); end
	end
end

function neighborhood:add(view)
	local views = self.views;
	views[#views + 1] = view;
	view.hood, view.log, view.place, view.cursor, view.joined = self, self.log, #views, self.log.last + 1, 0;
	view.read, view.sees = read, view.sees or {};
end

function neighborhood:remove(view)
	local views, place = self.views, view.place;
	local last = views[#views];
	views[place], last.place = last, place;
	views[#views] = nil;
end

-- The items of all members; and of the others as this user knows them, where it has contacts of its own.
function neighborhood:list(user)
	local own = user.own;
	local is_common = next(own, next(own)) == nil; -- own[false] is no contact
	if is_common and self.listed then return self.listed; end
	local items, n = {}, 0;
	for other in pairs(self.members) do
		if is_common or other ~= user then
			n = n + 1;
			items[n] = own[other.jid] and item_text(other.jid, "both", own[other.jid]) or other.item;
		end
	end
	if is_common then self.listed = items; end
	return items;
end

-- What a view sees of those who were there before it, up to a place in the log: an entry for its queue.

local retrospect = {};
retrospect.__index = retrospect;

local function add_text(letter, view, start, text, n, size)
	if letter.at > start then return n, size; end -- it reads it in the log
	text[n + 1], text[n + 2], text[n + 3] = letter.head, view.to, letter.tail;
	return n + 3, size + #letter.head + 300;
end

function retrospect:read(view, text, n, size, limit)
	local roll, i, start, wanted = self.roll, self.i, self.start, self.wanted;
	while i <= self.last and size < limit do
		local user = roll[i];
		if user and user ~= view.user and user.since and user.since <= start then
			if self.presences then
				for _, other in next, user.views do
					if other.available then n, size = add_text(other.presence, view, start, text, n, size); end
				end
			end
			for node, letter in next, user.items do
				if wanted[node] and not self.known[node] then n, size = add_text(letter, view, start, text, n, size); end
			end
		end
		i = i + 1;
	end
	self.i = i;
	return n, size, i > self.last;
end

function neighborhood:look_back(view, presences, wanted, known)
	outbox.put(view, setmetatable({
		roll = self.roll; i = 1; last = #self.roll; start = self.log.last;
		presences = presences; wanted = wanted or {}; known = known or {};
	}, retrospect));
end

module.neighborhoods = {
	new = new; look = look; push = push; item_text = item_text; is_answer_to_push = is_answer_to_push;
	class = neighborhood;
};

return module.neighborhoods;
