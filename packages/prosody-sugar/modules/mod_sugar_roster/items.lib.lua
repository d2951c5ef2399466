-- Part of mod_sugar_roster: the PEP items of a neighborhood's members, and who wants to hear of them
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- mod_pep keeps the items and answers questions for them. It does not learn of the neighborhood's presence, for
-- which it would keep a table of everybody for everybody; what it would send to them goes out from here instead, to
-- those whose capabilities ask for it (XEP-0163, section 4), made once for all.

local st = require "util.stanza";
local calculate_hash = require "util.caps".calculate_hash;
local cache = require "util.cache";
local new_id = require "util.id".medium;
local sorted_pairs = require "util.iterators".sorted_pairs;

local outbox = module.outbox;

local xmlns_event = "http://jabber.org/protocol/pubsub#event";
local xmlns_disco = "http://jabber.org/protocol/disco#info";
local MARK = "\1"; -- no XML holds it

local pep = module:depends("pep");
local known_nodes = cache.new(1000):table(); -- hash of capabilities -> nodes

-- The text of a stanza before and after the value of its `to`.
local function letter(user, stanza, node)
	local to = stanza.attr.to;
	stanza.attr.to = MARK;
	local text = tostring(stanza);
	stanza.attr.to = to;
	local mark = text:find(MARK, 1, true);
	return { user = user, node = node, head = text:sub(1, mark - 1), tail = text:sub(mark + 1), at = 0 };
end

local function event(user, kind, node, item)
	local message = st.message({ from = user.jid, type = "headline", id = new_id() })
		:tag("event", { xmlns = xmlns_event })
			:tag(kind, { node = node });
	if item then
		item = st.clone(item);
		item.attr.xmlns, item.attr.publisher = nil, nil;
		message:add_child(item);
	end
	return letter(user, message, node);
end

-- Of an element and all in it. Not its text, in which attributes have another order each time.
local function add_content(element, parts)
	parts[#parts + 1] = "<" .. element.name;
	for name, value in sorted_pairs(element.attr) do parts[#parts + 1] = name .. "=" .. value; end
	for _, child in ipairs(element) do
		if type(child) == "string" then parts[#parts + 1] = " " .. child; else add_content(child, parts); end
	end
	parts[#parts + 1] = ">";
end

-- The same for two items that say the same; nil of one that says nothing.
local function content_of(item)
	if not (item and item.tags[1]) then return; end
	local parts = {};
	add_content(item.tags[1], parts);
	return table.concat(parts, MARK);
end

-- Who may hear: everybody who shares presence, unless the owner has said otherwise.
local function is_open(service, node)
	local found = service.nodes[node];
	local model = found and found.config.access_model or service.node_defaults.access_model;
	return (model == "presence" or model == "open") and not (found and next(found.affiliations));
end

-- What mod_pep remembers of a user who comes (back), as letters. Sugar publishes it again at once, and without need
-- from time to time: `contents` keeps what was told last, so that nobody is told twice what has not changed.
local function load_items(user)
	local service = pep.get_pep_service(user.username);
	user.items, user.contents = {}, {};
	for node, found in pairs(service.nodes) do
		local ok, _, item = service:get_last_item(node, true);
		if ok and item and is_open(service, node)
				and found.config.send_last_published_item == "on_sub_and_presence" then
			user.items[node], user.contents[node] = event(user, "items", node, item), content_of(item);
		end
	end
end

local function tell_restricted(service, user, hood, told, exempt)
	for _, view in ipairs(hood.views) do
		local jid = view.session.full_jid;
		if view.user ~= user and view.available and view.nodes and view.nodes[told.node] and not exempt[jid]
				and service:may(told.node, jid, "subscribe") then
			outbox.put(view, told.head .. view.to .. told.tail);
		end
	end
end

-- A publication has been sent to those whom mod_pep knows (`exempt`); now to the neighborhood.
local function broadcast(service, user, hood, kind, node, exempt, item)
	local config = service.nodes[node] and service.nodes[node].config or service.node_defaults;
	local was, is = user.contents[node], kind == "items" and content_of(item) or nil;
	user.contents[node] = is;
	if config["notify_" .. kind] == false then
		user.items[node] = nil;
		return;
	end
	if item and config.include_payload == false then
		item = st.clone(item):maptags(function () return nil; end);
	end
	local told = event(user, kind == "retract" and "items" or kind, node, item);
	local open = is_open(service, node);
	if is and is == was and open and config.max_items == 1 and user.items[node] then
		told.at, user.items[node] = user.items[node].at, told; -- the item has another name now: nothing to tell
		return;
	end
	user.items[node] = open and kind == "items" and config.send_last_published_item == "on_sub_and_presence"
		and told or nil;
	if open then
		hood:tell(told, exempt);
	else
		tell_restricted(service, user, hood, told, exempt);
	end
end

local wrapped = {}; -- service -> what undoes it

-- `user_of(username)` gives the user and its neighborhood, if it is seen in one.
local function follow(service, username, user_of)
	local config = service.config;
	local filter, broadcaster = config.subscriber_filter, config.broadcaster;
	local addressed;
	function config.subscriber_filter(...)
		addressed = filter(...);
		return addressed;
	end
	function config.broadcaster(kind, node, jids, item, ...)
		broadcaster(kind, node, jids, item, ...);
		if jids ~= addressed then return; end -- the last item for one who comes
		addressed = nil;
		local user, hood = user_of(username);
		if user then broadcast(service, user, hood, kind, node, jids, item); end
	end
	wrapped[service] = function () config.subscriber_filter, config.broadcaster = filter, broadcaster; end;
end

local function unfollow(service)
	if wrapped[service] then wrapped[service](); end
	wrapped[service] = nil;
end

local function unfollow_all()
	for _, undo in pairs(wrapped) do undo(); end
end

-- Capabilities (XEP-0115)

local function advertised(presence)
	local caps = presence:get_child("c", "http://jabber.org/protocol/caps");
	if not (caps and caps.attr.node and caps.attr.ver) then return; end
	local ver = caps.attr.ver;
	if caps.attr.hash then return caps.attr.hash == "sha-1" and ver or nil, caps.attr.node .. "#" .. ver; end
	return caps.attr.node .. "#" .. ver .. "#" .. (caps.attr.ext or ""), caps.attr.node .. "#" .. ver;
end

local function answered(stanza)
	local query = stanza:get_child("query", xmlns_disco);
	if not query then return; end
	local nodes = {};
	for feature in query:childtags("feature") do
		local node = (feature.attr.var or ""):match("^(.*)%+notify$");
		if node then nodes[node] = true; end
	end
	local hash = calculate_hash(query.tags);
	known_nodes[hash] = nodes;
	return hash, nodes;
end

return {
	letter = letter; content_of = content_of; load = load_items;
	follow = follow; unfollow = unfollow; unfollow_all = unfollow_all;
	is_open = is_open; advertised = advertised; answered = answered; known_nodes = known_nodes;
};
