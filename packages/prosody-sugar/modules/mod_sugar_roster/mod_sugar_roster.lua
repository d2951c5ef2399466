-- mod_sugar_roster: every two users of a school who are online are each other's contacts
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Sugar draws a Neighborhood of contacts but never asks for a subscription, so the server keeps the contacts: while
-- two users are online, each finds the other in its roster with subscription "both". Nothing of this is stored, and
-- nothing is kept for a pair: one structure holds the neighborhood (neighborhood.lib.lua), what is said of a member
-- is made once for all (items.lib.lua), and is written to each in few pieces (outbox.lib.lua). A roster is a view on
-- the user's own contacts and the neighborhood; own contacts come back when shared ones go.

local st = require "util.stanza";
local jid_bare = require "util.jid".bare;
local filters = require "util.filters";

local outbox = module:require "outbox";
local neighborhoods = module:require "neighborhood";
local items = module:require "items";
module:require "moving";

module.users = {}; -- bare JID -> user, of users with a session
local users = module.users;
local rosters = module:require "rosters";
module.pep_items = items;
module:require "answers";
local capabilities = module:require "capabilities";
local federation = module:require "federation";

local host = module.host;
local escape = st.xml_escape;

local hoods = {}; -- class -> neighborhood; EVERYONE is none that a class is called
local EVERYONE = false;
local classes; -- mod_sugar_classes, if each class is to be by itself

-- Those without a class, as teachers, see each other; and all see all while nobody knows who is in which class.
local function hood_of(username)
	local class = EVERYONE;
	if classes and classes.class_of then class = classes.class_of[username] or ""; end
	local hood = hoods[class];
	if not hood then
		hood = neighborhoods.new();
		hoods[class] = hood;
	end
	return hood;
end

local function sessions_of(username)
	local user = prosody.hosts[host].sessions[username];
	return user and user.sessions or {};
end

local function user_seen(username)
	local user = users[username .. "@" .. host];
	if user and user.shown > 0 then return user, user.hood; end
end

module:hook("roster-load", function (event)
	if event.host == host then rosters.share(event.roster, event.username); end
end);

-- Sessions

local function drop_answers(stanza)
	if not neighborhoods.is_answer_to_push(stanza) then return stanza; end
end

local function add_session(session)
	if not session.rawsend then return; end -- a stream of its own is needed to write to
	local jid = jid_bare(session.full_jid);
	local user = users[jid];
	if not user then
		user = { jid = jid; username = session.username; views = {}; items = {}; shown = 0 };
		user.hood = hood_of(user.username);
		user.item = neighborhoods.item_text(jid, "both");
		users[jid] = user;
	end
	user.own = rosters.share(session.roster, session.username);
	local view = { session = session; user = user; to = escape(session.full_jid) };
	user.views[session] = view;
	user.hood:add(view);
	filters.add_filter(session, "stanzas/in", drop_answers);
	return outbox.open(view);
end

local function remove_session(session)
	local view = outbox.view_of(session);
	if not view then return; end
	local user = view.user;
	if session.filters then filters.remove_filter(session, "stanzas/in", drop_answers); end
	outbox.close(view);
	user.hood:remove(view);
	user.views[session] = nil;
	if not next(user.views) then users[user.jid] = nil; end
end

module:hook("resource-bind", function (event) add_session(event.session); end, 10);

-- Arriving and leaving

local function available(view, presence, letter)
	local user, hood, is_new = view.user, view.hood, not view.available;
	capabilities.update(view, presence); -- first, so that a newcomer looks back once
	view.presence = letter;
	if is_new then
		view.available = true;
		neighborhoods.look(view);
		user.shown = user.shown + 1;
		if user.shown == 1 then
			items.load(user);
			hood:add_member(user);
		end
	end
	hood:tell(letter);
	if is_new then
		if user.shown == 1 then
			for _, told in pairs(user.items) do hood:tell(told); end
		end
		hood:look_back(view, true, view.nodes);
	end
end

-- Sugar takes a buddy away on `unavailable` only while the contact still is in the roster, and draws it again only
-- if the contact was removed in between.
local function unavailable(view, letter)
	if not view.available then return; end
	local user, hood = view.user, view.hood;
	view.available, view.presence = nil, nil;
	neighborhoods.look(view);
	user.shown = user.shown - 1;
	hood:tell(letter);
	if user.shown == 0 then hood:remove_member(user); end
end

module:wrap_event("presence/bare", function (handlers, event_name, event)
	local session, stanza = event.origin, event.stanza;
	local kind = stanza.attr.type;
	local view = stanza.attr.to == nil and (kind == nil or kind == "unavailable") and outbox.view_of(session);
	if not view then return handlers(event_name, event); end

	local letter = items.letter(view.user, stanza);
	local handled = handlers(event_name, event);
	-- A session that was lost in the middle has taken its leave while it was handled.
	if kind == nil and session.presence then
		available(view, stanza, letter);
	elseif kind == "unavailable" then
		unavailable(view, letter);
	end
	return handled;
end);

module:hook("resource-unbind", function (event) remove_session(event.session); end, -10);

module:handle_items("pep-service", function (event)
	local item = event.item;
	items.follow(item.service, item.jid:match("^[^@]*"), user_seen);
end, function (event)
	items.unfollow(event.item.service);
end);

-- Classes

local function regroup()
	local moves = {}; -- neighborhood -> neighborhood -> users
	for _, user in pairs(users) do
		local to = user.peer and user.hood or hood_of(user.username);
		if to ~= user.hood then
			moves[user.hood] = moves[user.hood] or {};
			moves[user.hood][to] = moves[user.hood][to] or {};
			table.insert(moves[user.hood][to], user);
		end
	end
	for from, parts in pairs(moves) do
		for to, movers in pairs(parts) do
			from:part(movers);
			to:join(movers);
		end
	end
	for class, hood in pairs(hoods) do
		if not hood.views[1] and not next(hood.members) then hoods[class] = nil; end
	end
end

local function read_settings()
	local by_class = module:get_option_string("sugar_neighborhood", "school") == "class";
	classes = by_class and module:depends("sugar_classes") or nil;
	federation.read_settings();
	regroup();
end

-- Of other schools nobody knows the classes.
federation.open({ items = items; everyone = function () return not classes and hood_of("") or nil; end });

module:hook("sugar-classes", regroup);
module:hook_global("config-reloaded", read_settings);

-- Loading into a running server, and reloading, change nothing that clients can see

function module.load()
	read_settings();
	for username, user in pairs(prosody.hosts[host].sessions) do
		if user.roster then rosters.share(user.roster, username); end
		for _, session in pairs(sessions_of(username)) do
			local view = add_session(session);
			if view then view.interested = session.interested; end
			if view and session.presence then
				view.presence = items.letter(view.user, session.presence);
				view.available = true;
				view.user.shown = view.user.shown + 1;
			end
			if view then neighborhoods.look(view); end
		end
	end
	for _, user in pairs(users) do
		if user.shown > 0 then
			items.load(user);
			user.since = 0;
			user.hood:enroll(user);
		end
	end
end

function module.save()
	local nodes = {};
	for jid, user in pairs(users) do
		nodes[jid] = {};
		for session, view in pairs(user.views) do nodes[jid][session] = { view.hash, view.nodes }; end
	end
	return { nodes = nodes; federation = federation.save() };
end

function module.restore(saved)
	for jid, views in pairs(saved.nodes or {}) do
		for session, known in pairs(views) do
			local view = users[jid] and users[jid].views[session];
			if view and known[2] then
				view.hash, view.nodes = known[1], known[2];
				neighborhoods.look(view);
			elseif view and session.presence then
				capabilities.update(view, session.presence); -- the answer was still to come
			end
		end
	end
	if saved.federation then federation.restore(saved.federation); end
end

function module.unload()
	outbox.empty_all();
	for _, user in pairs(users) do
		for session in pairs(user.views) do remove_session(session); end
	end
	items.unfollow_all();
	for _, user in pairs(prosody.hosts[host].sessions) do
		if user.roster then rosters.unshare(user.roster); end
	end
end
