-- mod_sugar_bounds: what one user may publish and hold open, and for how long it is kept
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Items of PEP are in memory, one for each node (pep_max_items). The five nodes of Sugar's client are never refused;
-- what they hold is bounded by the size of a stanza. Of other nodes a user has a few names, and small items. When a
-- user has been away for a while its items go: laptops publish theirs at each login. A card (vCard) is on the disk as
-- long as the account, and so is small, too. And a user has few connections: who opens more loses the oldest.

local st = require "util.stanza";
local get_time = require "util.time".now;

local pep = module:depends("pep");
local most_names = module:get_option_number("sugar_other_nodes", 16);
local most_bytes = module:get_option_number("sugar_other_item_bytes", 16 * 1024);
local most_card_bytes = module:get_option_number("sugar_card_bytes", 64 * 1024);
local most_sessions = module:get_option_number("sugar_sessions", 10);
local away_seconds = module:get_option_number("sugar_away_seconds", 60 * 60);

local xmlns_pubsub = "http://jabber.org/protocol/pubsub";
local xmlns_errors = "http://jabber.org/protocol/pubsub#errors";
local SUGARS = {
	["http://laptop.org/xmpp/buddy-properties"] = true;
	["http://laptop.org/xmpp/activities"] = true;
	["http://laptop.org/xmpp/current-activity"] = true;
	["http://laptop.org/xmpp/activity-properties"] = true;
	["http://jabber.org/protocol/nick"] = true;
};

local known_nodes = module:open_store("pep"); -- mod_pep's; it leaves an empty list behind
local names = {}; -- username -> other nodes that it has had, deleted ones too -> true
local away = {}; -- username -> since when

local function count(set)
	local n = 0;
	for _ in pairs(set) do n = n + 1; end
	return n;
end

local function refuse(session, stanza, kind, condition, detail, text)
	session.send(st.error_reply(stanza, kind, condition, text):tag(detail, { xmlns = xmlns_errors }));
	return true;
end

module:hook("iq/bare/" .. xmlns_pubsub .. ":pubsub", function (event)
	local session, stanza = event.origin, event.stanza;
	if stanza.attr.type ~= "set" or session.type ~= "c2s" then return; end
	local request = stanza.tags[1]:get_child("publish") or stanza.tags[1]:get_child("create");
	local node = request and request.attr.node;
	if not request or SUGARS[node] then return; end
	if #tostring(request) > most_bytes then
		return refuse(session, stanza, "modify", "not-acceptable", "payload-too-big", "The item is too large here.");
	end
	local own = names[session.username] or {};
	node = node or ""; -- the server makes a name up, each time another
	if node == "" or not own[node] and count(own) >= most_names then
		return refuse(session, stanza, "wait", "resource-constraint", "max-nodes-exceeded", "No more nodes here.");
	end
	own[node], names[session.username] = true, own;
end, 10);

module:hook("iq/bare/vcard-temp:vCard", function (event)
	local session, stanza = event.origin, event.stanza;
	if stanza.attr.type ~= "set" or #tostring(stanza) <= most_card_bytes then return; end
	session.send(st.error_reply(stanza, "modify", "not-acceptable", "The card is too large here."));
	return true;
end, 10);

module:hook("pre-resource-bind", function (event)
	local user = prosody.hosts[module.host].sessions[event.session.username];
	if not user or user.sessions[event.resource] or count(user.sessions) < most_sessions then return; end
	local oldest;
	for _, session in pairs(user.sessions) do
		if not oldest or session.conntime < oldest.conntime then oldest = session; end
	end
	oldest:close({ condition = "resource-constraint", text = "This account has too many connections" });
end);

-- Those who are away

local function is_online(username)
	return prosody.hosts[module.host].sessions[username] ~= nil;
end

module:hook("resource-bind", function (event) away[event.session.username] = nil; end);

module:hook("resource-unbind", function (event)
	local username = event.session.username;
	if not is_online(username) then away[username] = get_time(); end
end);

local function forget(username)
	away[username], names[username] = nil, nil;
	local service = pep.get_pep_service(username);
	local nodes = {};
	for node in pairs(service.nodes) do nodes[#nodes + 1] = node; end
	for _, node in ipairs(nodes) do service:delete(node, true); end
	known_nodes:set(username, nil);
end

module:add_timer(away_seconds, function ()
	local now, gone = get_time(), {};
	for username, since in pairs(away) do
		if now - since >= away_seconds then gone[#gone + 1] = username; end
	end
	for _, username in ipairs(gone) do forget(username); end
	return away_seconds;
end);

module:hook_global("user-deleted", function (event)
	if event.host == module.host then away[event.username], names[event.username] = nil, nil; end
end);

function module.save()
	return { names = names; away = away };
end

function module.restore(saved)
	names, away = saved.names or names, saved.away or away;
end
