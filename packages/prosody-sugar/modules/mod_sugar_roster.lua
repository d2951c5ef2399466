-- mod_sugar_roster: every two users who are online are each other's contacts
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Sugar draws a Neighborhood of contacts but never asks for a subscription, so the server keeps the contacts:
-- while two users are both available, each finds the other in its roster with subscription "both". Nothing of
-- this is stored. A user's own contacts stay what they are and come back when the shared ones go.
--
-- The shared contacts are not copied into rosters: a loaded roster is a view on the user's own contacts and the
-- set of online users. So the memory grows with the users, not with their square, and Prosody's own presence,
-- roster and PEP modules work on it as on any roster.

local st = require "util.stanza";
local jid_bare = require "util.jid".bare;
local jid_prep = require "util.jid".prep;
local roster_push = require "core.rostermanager".roster_push;

local core_post_stanza = prosody.core_post_stanza;
local core_process_stanza = prosody.core_process_stanza;

local host = module.host;

-- The one item that stands for every shared contact. Writes to it are dropped: it belongs to all rosters.
local SHARED = setmetatable({}, {
	__index = { subscription = "both", groups = {} };
	__newindex = function () end;
});

local SUBSCRIPTION_TYPES = { subscribe = true, subscribed = true, unsubscribe = true, unsubscribed = true };

local online = {}; -- bare JID -> username, of users with at least one available session

local function user_jid(username)
	return username .. "@" .. host;
end

local function sessions_of(username)
	local user = prosody.hosts[host].sessions[username];
	return user and user.sessions or {};
end

local function is_available(username)
	for _, session in pairs(sessions_of(username)) do
		if session.presence then return true; end
	end
	return false;
end

-- Rosters as views

local function is_shared(own, me, contact)
	if not online[contact] or not online[me] or contact == me then return false; end
	local item = own[contact];
	return not item or item.subscription ~= "both"; -- a full contact of one's own is left alone
end

local function iterate(own, me)
	local source, key = own, nil;
	return function ()
		local item;
		repeat
			key, item = next(source, key);
			if key == nil and source == own then
				source = online;
				key = next(source);
			end
		until key == nil or is_shared(own, me, key) == (source == online)
		if key ~= nil and source == online then item = SHARED; end
		return key, item;
	end
end

local function share(roster, username)
	local own, me = {}, user_jid(username);
	for key, item in next, roster do own[key] = item; end
	for key in next, own do roster[key] = nil; end
	own[false].version = true; -- no roster versioning: shared contacts come and go without a version
	setmetatable(roster, {
		own = own;
		__index = function (_, contact)
			if is_shared(own, me, contact) then return SHARED; end
			return own[contact];
		end;
		__newindex = own;
		__pairs = function () return iterate(own, me); end;
	});
end

local function unshare(roster)
	local view = getmetatable(roster);
	if not (view and view.own) then return; end
	setmetatable(roster, nil);
	for key, item in next, view.own do roster[key] = item; end
end

module:hook("roster-load", function (event)
	if event.host == host then share(event.roster, event.username); end
end);

-- Arriving and leaving

-- PEP of `to` learns who is there, and with which capabilities, only from presence sent to its bare JID; the
-- answers to the newcomer's own probes go to its full JID. Its sessions do not see these stanzas: at this
-- moment none of them is available.
local function tell_presence(username, to, kind)
	for _, session in pairs(sessions_of(username)) do
		if session.presence and kind == "unavailable" then
			core_post_stanza(session, st.presence({ type = kind, from = session.full_jid, to = to }));
		elseif session.presence then
			local presence = st.clone(session.presence);
			presence.attr.to = to;
			core_post_stanza(session, presence);
		end
	end
end

local function arrive(username)
	local jid = user_jid(username);
	online[jid] = username;
	for other_jid, other in pairs(online) do
		if other ~= username then
			roster_push(other, host, jid);
			roster_push(username, host, other_jid);
			tell_presence(other, jid);
		end
	end
end

-- Everybody has been sent `unavailable` before: Sugar takes a buddy away on that only while the contact still
-- is in the roster, and draws it again only if the contact was removed in between.
local function depart(username)
	local jid = user_jid(username);
	online[jid] = nil;
	for other_jid, other in pairs(online) do
		roster_push(other, host, jid);
		roster_push(username, host, other_jid); -- for a client that stays connected
		tell_presence(other, jid, "unavailable");
	end
end

-- A session that was lost in the middle of its first presence does not say goodbye itself.
local function say_goodbye(full_jid)
	local me = jid_bare(full_jid);
	for other_jid in pairs(online) do
		if other_jid ~= me then
			core_post_stanza(prosody.hosts[host],
				st.presence({ type = "unavailable", from = full_jid, to = other_jid }));
		end
	end
end

module:wrap_event("presence/bare", function (handlers, event_name, event)
	local session, stanza = event.origin, event.stanza;
	local kind, full_jid = stanza.attr.type, session.full_jid;
	if stanza.attr.to ~= nil or not full_jid or not (kind == nil or kind == "unavailable") then
		return handlers(event_name, event);
	end

	local username, jid = session.username, jid_bare(full_jid);
	if kind == nil and not online[jid] then arrive(username); end
	local handled = handlers(event_name, event);
	if online[jid] and not is_available(username) then
		if kind == nil then say_goodbye(full_jid); end
		depart(username);
	end
	return handled;
end);

-- Before mod_roster takes leave of the contacts of a deleted account, one by one and on disk.
module:hook_global("user-deleted", function (event)
	if event.host ~= host then return; end
	for _, session in pairs(sessions_of(event.username)) do
		if session.presence then core_process_stanza(session, st.presence({ type = "unavailable" })); end
	end
end, 400);

-- Shared contacts are not the user's to change

module:hook("iq/self/jabber:iq:roster:query", function (event)
	local session, stanza = event.origin, event.stanza;
	if stanza.attr.type ~= "set" then return; end
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

-- Loading into a running server, and reloading, change nothing that clients can see

function module.load()
	for username, user in pairs(prosody.hosts[host].sessions) do
		if user.roster then share(user.roster, username); end
		if is_available(username) then online[user_jid(username)] = username; end
	end
end

function module.unload()
	for _, user in pairs(prosody.hosts[host].sessions) do
		if user.roster then unshare(user.roster); end
	end
end
