-- Part of mod_sugar_roster: what a view reads of those who were there before it
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Entries for a view's queue: they go through a neighborhood's roll, up to a place in its log, and make text only as
-- quickly as the connection takes it. Who came later is read of in the log; who has left meanwhile is left out.

local neighborhoods = module.neighborhoods;
local outbox = module.outbox;

local neighborhood = neighborhoods.class;
local item_text = neighborhoods.item_text;

local retrospect = {};
retrospect.__index = retrospect;

-- What an entry's `tell(entry, view, other, text, n, size) -> n, size` says of each; with `head` and `tail` around it.
function retrospect:read(view, text, n, size, limit)
	local roll, i, last, start = self.roll, self.i, self.last, self.start;
	if self.head then
		n = n + 1;
		text[n], size, self.head = self.head, size + #self.head, nil;
	end
	while i <= last and size < limit do
		local other = roll[i];
		if other and other ~= view.user and other.hood == self.hood and other.since and other.since <= start then
			n, size = self:tell(view, other, text, n, size);
		end
		i = i + 1;
	end
	self.i = i;
	if i > last and self.tail then
		n = n + 1;
		text[n], size = self.tail, size + #self.tail;
	end
	return n, size, i > last;
end

local function put(hood, view, entry)
	entry.hood, entry.roll, entry.i, entry.last, entry.start = hood, hood.roll, 1, #hood.roll, hood.log.last;
	outbox.put(view, setmetatable(entry, retrospect));
end

local function add_text(letter, view, start, text, n, size)
	if letter.at > start then return n, size; end -- it reads it in the log
	text[n + 1], text[n + 2], text[n + 3] = letter.head, view.to, letter.tail;
	return n + 3, size + #letter.head + 300;
end

local function tell_of(entry, view, other, text, n, size)
	local start, wanted, known = entry.start, entry.wanted, entry.known;
	if entry.presences then
		for _, seen in next, other.views do
			if seen.available then n, size = add_text(seen.presence, view, start, text, n, size); end
		end
	end
	for node, letter in next, other.items do
		if wanted[node] and not known[node] then n, size = add_text(letter, view, start, text, n, size); end
	end
	return n, size;
end

-- Presences, if they are new to it, and the items of the wanted nodes but for those that it knew before.
function neighborhood:look_back(view, presences, wanted, known)
	put(self, view, { tell = tell_of; presences = presences; wanted = wanted or {}; known = known or {} });
end

local function list(_, view, other, text, n, size)
	local noted = view.user.own[other.jid];
	local item = noted and item_text(other.jid, "both", noted) or other.item;
	text[n + 1] = item;
	return n + 1, size + #item;
end

-- The others in the view's roster, between two texts.
function neighborhood:list(view, head, tail)
	put(self, view, { tell = list; head = head; tail = tail });
end

return neighborhood;
