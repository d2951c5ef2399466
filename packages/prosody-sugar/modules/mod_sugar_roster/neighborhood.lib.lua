-- Part of mod_sugar_roster: those who see each other
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- One structure for a whole neighborhood (a school or a class): its members who are online, as users and as the
-- views of their sessions. Whatever is told of a member is made once, as text, for all who hear of it.
--
-- user: jid, username, own (its own contacts, by JID), item (its line in other rosters), views, shown (how
--       many of its sessions are available), items (its PEP items as letters, by node)
-- view: session, user, place (in the neighborhood's views), gap (the one that still grows), bare and full (JIDs,
--       escaped), available, letter (its presence), nodes (of PEP, it wants to hear of)

local st = require "util.stanza";

local outbox = module.outbox;
local put = outbox.put;

local PUSH = { "<iq type='set' id='roster-", "'><query xmlns='jabber:iq:roster'>", "</query></iq>" };

-- The protocol wants one item in each push, and each push is answered: half a million answers on the morning of a
-- school of a thousand. Sugar's client takes any number of items (process_roster in telepathy-gabble's roster.c,
-- since its first release); so when more than this many arrive at once, they arrive in one push.
local ITEMS_TO_JOIN = 3;

local LONGEST_ROW = 64;

local push_count = 0;

local function push(items)
	push_count = push_count + 1;
	return PUSH[1] .. push_count .. PUSH[2] .. items .. PUSH[3];
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

-- Arrivals in a row, told to each member by one gap in its queue. All gaps of a row have the same text, but for
-- those that begin later.
local function row_text(gap)
	local row, first, last = gap.row, gap.first, gap.last or #gap.row;
	if gap.view.gap == gap then gap.view.gap = nil; end
	if last < first then return ""; end
	local key = first * 1048576 + last;
	local text = row.texts[key];
	if not text then
		if last - first >= ITEMS_TO_JOIN then
			text = push(table.concat(row, "", first, last));
		else
			text = "";
			for i = first, last do text = text .. push(row[i]); end
		end
		row.texts[key] = text;
	end
	return text;
end

-- What a row holds from now on is not for this view.
local function end_gap(view)
	if view.gap then
		view.gap.last = #view.gap.row;
		view.gap = nil;
	end
end

local neighborhood = {};
neighborhood.__index = neighborhood;

local function new()
	return setmetatable({ views = {}, members = {}, row = { texts = {} } }, neighborhood);
end

function neighborhood:add(view)
	local views = self.views;
	views[#views + 1] = view;
	view.place = #views;
end

function neighborhood:remove(view)
	local views, place = self.views, view.place;
	local last = views[#views];
	views[place], last.place = last, place;
	views[#views] = nil;
	view.place = nil;
end

-- Every other member's sessions that may see something of this user.
function neighborhood:each_other(user)
	local views, i = self.views, 0;
	return function ()
		local view;
		repeat
			i = i + 1;
			view = views[i];
		until not view or view.user ~= user
		return view;
	end
end

-- The others in this user's roster.
function neighborhood:list(user)
	local items, n, own = {}, 0, user.own;
	for other in pairs(self.members) do
		if other ~= user then
			n = n + 1;
			items[n] = own[other.jid] and item_text(other.jid, "both", own[other.jid]) or other.item;
		end
	end
	return table.concat(items);
end

-- A member becomes a contact of the others.
function neighborhood:add_contact(user)
	self.members[user] = true;
	if #self.row == LONGEST_ROW then self.row = { texts = {} }; end
	local row = self.row;
	for _, view in pairs(user.views) do end_gap(view); end
	for view in self:each_other(user) do
		local own = view.user.own[user.jid];
		if own and view.session.interested then
			end_gap(view);
			put(view, push(item_text(user.jid, "both", own)));
		elseif view.session.interested and not (view.gap and view.gap.row == row) then
			view.gap = { view = view, row = row, first = #row + 1, fill = row_text };
			put(view, view.gap);
		end
	end
	row[#row + 1] = user.item;
end

function neighborhood:remove_contact(user)
	self.members[user] = nil;
	-- What comes now must not be told after what comes later.
	self.row = { texts = {} };
	local removal;
	for view in self:each_other(user) do
		local own = view.user.own[user.jid];
		if own and view.session.interested then
			put(view, push(item_text(user.jid, own.subscription, own)));
		elseif view.session.interested then
			removal = removal or push(item_text(user.jid, "remove"));
			put(view, removal);
		end
	end
end

-- A letter to the others: presence, or a message of PEP for those who asked to hear of its node.
function neighborhood:tell(user, letter, node, exempt)
	local views = self.views;
	for i = 1, #views do
		local view = views[i];
		if view.available and view.user ~= user then
			if not node or view.nodes and view.nodes[node] and not (exempt and exempt[view.session.full_jid]) then
				put(view, letter);
			end
		end
	end
end

return { new = new; push = push; item_text = item_text; is_answer_to_push = is_answer_to_push; };
