-- Part of mod_sugar_roster: the children of other schools, as their servers tell of them
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- What is told of a child crosses to another school once, not once for each who sees it: the presence and items that
-- its own neighborhood's log holds, addressed to the other server, which appends them to its log. There the child is
-- a member without a session (its `peer` is where it comes from, `users` that of the module).
--
-- Each server asks each other one for its view, again and again:
--   <iq type='get' from='HERE' to='THERE'><view xmlns='urn:sugar-deploy:federation' token='TOKEN'/></iq>
-- A token that is new to the one asked is answered by a message with it, then the whole state, then the result; from
-- then on whatever happens is told. The result has the token and how many stanzas were told since it was new: who has
-- counted others asks for a new view. So nothing that was lost on the way stays wrong longer than between two
-- questions; and who gets no answer shows nobody of that school.

local st = require "util.stanza";
local xml = require "util.xml";
local jid = require "util.jid";
local new_id = require "util.id".medium;

local neighborhoods = module.neighborhoods;
local users = module.users;

local host = module.host;
local escape = st.xml_escape;
local xmlns = "urn:sugar-deploy:federation";
local xmlns_event = "http://jabber.org/protocol/pubsub#event";

local seconds = module:get_option_number("sugar_federation_seconds", 15); -- between two questions
local patience = module:get_option_number("sugar_federation_patience_seconds", 20); -- for an answer
local most_users = module:get_option_number("sugar_federation_users", 1000); -- of another school
local MOST_NODES = 10; -- of a child; Sugar has five

local peers = {}; -- domain -> peer, whose children are shown here
local audience = {}; -- domain -> token, count, silent (turns without a question), of whom we tell
local items, everyone; -- what is said of a member; the neighborhood of all, or nil while each class is by itself

-- Telling

local function tell_letter(domain, listener, letter)
	listener.count = listener.count + 1;
	module:send(xml.parse(letter.head .. escape(domain) .. letter.tail));
end

function neighborhoods.class.overheard(letter)
	if letter.contact ~= nil or letter.user.peer then return; end
	for domain, listener in pairs(audience) do tell_letter(domain, listener, letter); end
end

local function tell_all(domain, listener)
	module:send(st.message({ from = host, to = domain, type = "headline" }):tag("view", {
		xmlns = xmlns; token = listener.token;
	}));
	for user in pairs(everyone().members) do
		if not user.peer then
			for _, view in pairs(user.views) do
				if view.available then tell_letter(domain, listener, view.presence); end
			end
			for _, letter in pairs(user.items) do tell_letter(domain, listener, letter); end
		end
	end
end

module:hook("iq-get/host/" .. xmlns .. ":view", function (event)
	local stanza, domain = event.stanza, event.stanza.attr.from;
	local token = stanza.tags[1].attr.token;
	if not peers[domain] or not token then return; end
	local listener = audience[domain];
	if not listener or listener.token ~= token then
		listener = { token = token; count = 0 };
		audience[domain] = listener;
		tell_all(domain, listener);
	end
	listener.silent = 0;
	module:send(st.reply(stanza):tag("view", { xmlns = xmlns; token = token; count = tostring(listener.count) }));
	return true;
end);

-- Hearing

local function leave(user, full, letter)
	local view = user.views[full];
	if not view then return; end
	user.views[full] = nil;
	user.shown = user.shown - 1;
	user.hood:tell(letter);
	if user.shown > 0 then return; end
	user.hood:remove_member(user);
	users[user.jid], user.peer.users[user.jid] = nil, nil;
	user.peer.size = user.peer.size - 1;
end

local function say_goodbye(user, full)
	leave(user, full, items.letter(user, st.presence({ type = "unavailable", from = full })));
end

local function forget(peer)
	for _, user in pairs(peer.users) do
		for full in pairs(user.views) do say_goodbye(user, full); end
	end
end

local function arrive(peer, bare)
	if peer.size >= most_users then return; end
	local user = { jid = bare; peer = peer; own = { [false] = {} }; views = {}; items = {}; shown = 0; hood = everyone() };
	user.item = neighborhoods.item_text(bare, "both");
	users[bare], peer.users[bare], peer.size = user, user, peer.size + 1;
	user.hood:add_member(user);
	return user;
end

local function is_news(known, letter)
	return not known or known.head ~= letter.head or known.tail ~= letter.tail;
end

local function hear_presence(peer, stanza)
	local full, kind = stanza.attr.from, stanza.attr.type;
	local bare = jid.bare(full);
	local user = users[bare];
	if kind == "unavailable" then
		if user then leave(user, full, items.letter(user, stanza)); end
	elseif kind == nil and jid.resource(full) then
		user = user or arrive(peer, bare);
		if not user then return; end
		local view, letter = user.views[full], items.letter(user, stanza);
		if not view then
			view = { user = user; to = escape(full); available = true };
			user.views[full], user.shown = view, user.shown + 1;
		end
		view.heard = peer.token;
		if not is_news(view.presence, letter) then return; end
		view.presence = letter;
		user.hood:tell(letter);
	end
end

local function hear_item(peer, stanza)
	local user, event = users[stanza.attr.from], stanza:get_child("event", xmlns_event);
	local told = event and event.tags[1];
	local node = told and told.attr.node;
	if not user or not node then return; end
	local known, count = user.items[node], 0;
	for _ in pairs(user.items) do count = count + 1; end
	if not known and count >= MOST_NODES then return; end
	local letter = items.letter(user, stanza, node);
	if known then known.heard = peer.token; end
	if not is_news(known, letter) then return; end
	letter.heard = peer.token;
	user.items[node] = told:get_child("item") and letter or nil;
	user.hood:tell(letter);
end

local function hear(hearing)
	return function (event)
		local stanza = event.stanza;
		local peer = stanza.attr.from and peers[jid.host(stanza.attr.from)];
		if not peer or event.origin.type ~= "s2sin" then return; end
		local view = stanza:get_child("view", xmlns);
		if view then
			peer.count = view.attr.token == peer.token and 0 or nil;
		elseif peer.count then
			peer.count = peer.count + 1;
			hearing(peer, stanza);
		end
		return true;
	end;
end

module:hook("presence/host", hear(hear_presence), 20);
module:hook("message/host", hear(hear_item), 20);

-- Asking

local function is_complete(peer, answer)
	return answer and answer.attr.token == peer.token and tonumber(answer.attr.count) == peer.count;
end

-- Who was not told of under the new token has left meanwhile.
local function settle(peer)
	if peer.settled == peer.token then return; end
	peer.settled = peer.token;
	for _, user in pairs(peer.users) do
		for full, view in pairs(user.views) do
			if view.heard ~= peer.token then say_goodbye(user, full); end
		end
		for node, letter in pairs(user.items) do
			if letter.heard ~= peer.token then user.items[node] = nil; end
		end
	end
end

-- A connection on which nothing comes through is not used again.
local function hang_up(domain)
	for _, own in pairs(prosody.hosts) do
		for _, name in ipairs({ domain, "conference." .. domain }) do
			local session = own.s2sout and own.s2sout[name];
			if session then session:close(); end
		end
	end
end

local function lose(peer)
	if next(peer.users) then module:log("warn", "%s does not answer: nobody of that school is shown", peer.domain); end
	peer.token, peer.count = nil, nil;
	forget(peer);
	hang_up(peer.domain);
end

local function ask(peer)
	if peer.asked or peers[peer.domain] ~= peer then return; end
	peer.token = peer.token or new_id();
	peer.asked = true;
	local question = st.iq({ type = "get", from = host, to = peer.domain, id = new_id() })
		:tag("view", { xmlns = xmlns; token = peer.token });
	module:send_iq(question, nil, patience):next(function (event)
		peer.asked = nil;
		if is_complete(peer, event.stanza:get_child("view", xmlns)) then
			settle(peer);
		else
			peer.token, peer.count = nil, nil;
			module:add_timer(seconds / 3, function () ask(peer); end);
		end
	end, function ()
		peer.asked = nil;
		lose(peer);
	end);
end

local function ask_all()
	for domain, listener in pairs(audience) do
		listener.silent = listener.silent + 1;
		if listener.silent > 4 then audience[domain] = nil; end
	end
	for _, peer in pairs(peers) do ask(peer); end
	return seconds;
end

module:add_timer(1, ask_all);

module:hook("s2sin-destroyed", function (event)
	local peer = peers[event.session.from_host];
	if peer then module:add_timer(0, function () ask(peer); end); end
end);

-- The module's own

local function read_settings()
	local named = everyone() and module:get_option("sugar_federation", {}) or {};
	for domain, peer in pairs(peers) do
		if not named[domain] then
			peers[domain], audience[domain] = nil, nil;
			forget(peer);
		end
	end
	for domain in pairs(named) do
		peers[domain] = peers[domain] or { domain = domain; users = {}; size = 0 };
	end
end

local function open(given)
	items, everyone = given.items, given.everyone;
end

local function save()
	return { peers = peers; audience = audience };
end

-- After a reload the clients still see everybody.
local function restore(saved)
	for domain, peer in pairs(saved.peers) do
		if peers[domain] then
			peers[domain], peer.asked = peer, nil;
			for bare, user in pairs(peer.users) do
				user.hood, user.since, users[bare] = everyone(), 0, user;
				for _, view in pairs(user.views) do view.presence.at = 0; end
				for _, letter in pairs(user.items) do letter.at = 0; end
				user.hood:enroll(user);
			end
			audience[domain] = saved.audience[domain];
		end
	end
end

return { open = open; read_settings = read_settings; save = save; restore = restore };
