-- Part of mod_sugar_roster: which nodes of PEP a session wants to hear of
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- A client says in its presence what it is, by a hash; what that means it is asked once. mod_pep asks each client with
-- a hash that it does not know: the first answer serves all that have the same hash, here as well. So a client is
-- asked from here only if mod_pep does not ask it, or got no answer.

local st = require "util.stanza";

local outbox, neighborhoods, items = module.outbox, module.neighborhoods, module.pep_items;

local xmlns_disco = "http://jabber.org/protocol/disco#info";
local PATIENCE = 2; -- seconds, for an answer to mod_pep

local waiting = {}; -- hash -> view -> what it is to be asked for

local function ask(view, node)
	view.session.send(st.iq({ type = "get", id = "sugar-caps", from = view.user.jid, to = view.session.full_jid })
		:tag("query", { xmlns = xmlns_disco, node = node }));
end

local function set_nodes(view, nodes)
	local known = view.nodes;
	if nodes == known then return; end
	view.nodes = nodes;
	neighborhoods.look(view);
	if view.available then view.hood:look_back(view, false, nodes, known); end
end

-- Those whose hash is known by now, or who left or changed meanwhile, need no question.
local function is_waiting(view, hash)
	return view.hash == hash and outbox.view_of(view.session) == view;
end

local function wait(view, hash, node)
	if waiting[hash] then
		waiting[hash][view] = node;
		return;
	end
	waiting[hash] = { [view] = node };
	module:add_timer(PATIENCE, function ()
		local views = waiting[hash] or {};
		waiting[hash] = nil;
		for other, its_node in pairs(views) do
			if is_waiting(other, hash) then ask(other, its_node); end
		end
	end);
end

-- A presence may come without capabilities when they have not changed.
local function update(view, presence)
	local hash, node = items.advertised(presence);
	if not node or view.hash == (hash or node) then return; end
	view.hash = hash or node;
	if hash and items.known_nodes[hash] then
		set_nodes(view, items.known_nodes[hash]);
	elseif hash then
		wait(view, hash, node);
	else
		ask(view, node);
	end
end

-- True if it was an answer.
local function hear(event)
	local view = outbox.view_of(event.origin);
	if not view or event.stanza.attr.to then return; end
	local hash, nodes = items.answered(event.stanza);
	if not hash then return true; end
	set_nodes(view, nodes);
	local views = waiting[hash] or {};
	waiting[hash] = nil;
	for other in pairs(views) do
		if is_waiting(other, hash) then set_nodes(other, nodes); end
	end
	return true;
end

module:hook("iq-result/bare/sugar-caps", hear);
module:hook("iq-result/bare/disco", function (event) hear(event); end, 10); -- and mod_pep hears it, too

return { update = update };
