-- Part of mod_sugar_roster: rosters as views on the user's own contacts and the neighborhood
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- `users` (bare JID -> user, of users with a session) is the module's; what a user is, neighborhood.lib.lua says.

local st = require "util.stanza";
local jid_bare = require "util.jid".bare;
local jid_prep = require "util.jid".prep;

local outbox, neighborhoods = module.outbox, module.neighborhoods;

local host = module.host;
local users = module.users;

-- The one item that stands for every shared contact. Writes to it are dropped: it belongs to all rosters.
local SHARED = setmetatable({}, {
	__index = { subscription = "both", groups = {} };
	__newindex = function () end;
});

local SUBSCRIPTION_TYPES = { subscribe = true, subscribed = true, unsubscribe = true, unsubscribed = true };

local function is_shared(me, contact)
	local user, other = users[me], users[contact];
	return user and other and other ~= user and user.shown > 0 and other.shown > 0 and user.hood == other.hood;
end

local function share(roster, username)
	local view = getmetatable(roster);
	if view and view.own then return view.own; end
	local own, me = {}, username .. "@" .. host;
	for key, item in next, roster do own[key] = item; end
	for key in next, own do roster[key] = nil; end
	own[false].version = true; -- no roster versioning: shared contacts come and go without a version
	setmetatable(roster, {
		own = own;
		__index = function (_, contact)
			if is_shared(me, contact) then return SHARED; end
			return own[contact];
		end;
		__newindex = own;
		-- For those who tell all contacts something: the neighborhood hears it from here.
		__pairs = function ()
			return function (_, key)
				local item;
				repeat
					key, item = next(own, key);
				until key == nil or not is_shared(me, key)
				return key, item;
			end
		end;
	});
	return own;
end

local function unshare(roster)
	local view = getmetatable(roster);
	if not (view and view.own) then return; end
	setmetatable(roster, nil);
	for key, item in next, view.own do roster[key] = item; end
end

local function answer_roster(session, stanza)
	local view = outbox.view_of(session);
	local user = view.user;
	local reply = st.reply(stanza);
	reply.attr.from = user.jid;
	local own = {};
	for jid, item in next, user.own do
		if jid and not (users[jid] and user.hood.members[users[jid]]) then
			own[#own + 1] = neighborhoods.item_text(jid, item.subscription, item);
		end
	end
	outbox.put(view, reply:top_tag() .. "<query xmlns='jabber:iq:roster'>");
	outbox.put(view, outbox.pieces(user.hood:list(user), user.item));
	outbox.put(view, table.concat(own) .. "</query></iq>");
	session.interested, view.interested = true, true;
	neighborhoods.look(view);
end

module:hook("iq/self/jabber:iq:roster:query", function (event)
	local session, stanza = event.origin, event.stanza;
	if not outbox.view_of(session) then return; end
	if stanza.attr.type == "get" then
		answer_roster(session, stanza);
		return true;
	end
	-- Shared contacts are not the user's to change.
	local item = stanza.tags[1]:get_child("item");
	local contact = item and jid_prep(item.attr.jid);
	if contact and session.roster[contact] == SHARED then
		session.send(st.error_reply(stanza, "cancel", "not-allowed", "The server keeps this contact."));
		return true;
	end
end, 10);

local function handle_subscription(event)
	local session, stanza = event.origin, event.stanza;
	local contact = jid_bare(stanza.attr.to);
	if not SUBSCRIPTION_TYPES[stanza.attr.type] or not session.roster or session.roster[contact] ~= SHARED then
		return;
	end
	if stanza.attr.type == "subscribe" then
		session.send(st.presence({ type = "subscribed", from = contact, to = session.full_jid }));
	end
	return true;
end

module:hook("pre-presence/bare", handle_subscription, 10);
module:hook("pre-presence/full", handle_subscription, 10);

return { share = share; unshare = unshare };
