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

local most_own = module:get_option_number("sugar_own_contacts", 100); -- of a user; they are stored
local MOST_NOTED = 2048; -- bytes, about one of them

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

-- Why a change of the user's own contacts is refused, if it is.
local function refused(session, item)
	local contact = item and jid_prep(item.attr.jid);
	if not contact then return; end -- by Prosody
	if session.roster[contact] == SHARED then return "The server keeps this contact."; end
	local own, count = outbox.view_of(session).user.own, 0;
	for _ in next, own do count = count + 1; end -- own[false] is no contact
	if not own[contact] and item.attr.subscription ~= "remove" and count > most_own then
		return "So many contacts of one's own are not kept here.";
	end
	if #tostring(item) > MOST_NOTED then return "So much is not kept about a contact here."; end
end

module:hook("iq/self/jabber:iq:roster:query", function (event)
	local session, stanza = event.origin, event.stanza;
	if not outbox.view_of(session) then return; end
	if stanza.attr.type == "get" then
		answer_roster(session, stanza);
		return true;
	end
	local refusal = refused(session, stanza.tags[1]:get_child("item"));
	if refusal then
		session.send(st.error_reply(stanza, "cancel", "not-allowed", refusal));
		return true;
	end
end, 10);

-- Who sees whom is the server's to say: nothing is stored for a question, whether the other is there or not, but
-- between those who have noted each other themselves.
local function handle_subscription(event)
	local session, stanza = event.origin, event.stanza;
	local kind, contact, view = stanza.attr.type, jid_bare(stanza.attr.to), outbox.view_of(session);
	if not SUBSCRIPTION_TYPES[kind] or not view then return; end
	local is_theirs, own = session.roster[contact] ~= SHARED, view.user.own;
	if is_theirs and (own[contact] or (own[false].pending or {})[contact]) then
		event.stanza = st.clone(stanza, true); -- it is kept for the absent: without what else may be in it
		return;
	end
	if kind == "subscribe" and not is_theirs then
		session.send(st.presence({ type = "subscribed", from = contact, to = session.full_jid }));
	end
	return true;
end

module:hook("pre-presence/bare", handle_subscription, 10);
module:hook("pre-presence/full", handle_subscription, 10);

return { share = share; unshare = unshare };
