-- mod_sugar_register: in-band registration as Sugar's XMPP client understands it
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- telepathy-gabble gives up on a registration form that offers a data form (jabber:x:data), which Prosody's own
-- always does; so the form is answered here, and everything else is left to mod_register_ibr. Accounts are named
-- by the SHA-1 of the laptop's public key; other names cannot be registered from outside. With sugar_accounts =
-- "registered", no name either that the school server does not know from its own registration.

local st = require "util.stanza";
local async = require "util.async";
local http = require "net.http";
local json = require "util.json";
local user_exists = require "core.usermanager".user_exists;

local instructions = module:get_option_string("registration_instructions",
	"The user name is the SHA-1 of the public key, in hexadecimal.");
local name_pattern = module:get_option_string("sugar_account_pattern", "^" .. ("[0-9a-f]"):rep(40) .. "$");
local daemon = module:get_option_string("sugar_daemon", "http://127.0.0.1:8080/client");

module:depends("register");

module:hook("stanza/iq/jabber:iq:register:query", function (event)
	local session, stanza = event.origin, event.stanza;
	if stanza.attr.type ~= "get" or session.type ~= "c2s_unauthed" or not session.secure then return; end
	session.send(st.reply(stanza)
		:tag("query", { xmlns = "jabber:iq:register" })
			:text_tag("instructions", instructions)
			:tag("username"):up()
			:tag("password"));
	return true;
end, 10);

-- The daemon on this machine knows: GET /client/find?account=NAME. Gives nothing while it is away.
local function is_registered(username)
	local wait, done = async.waiter();
	local registered;
	http.request(daemon .. "/find?account=" .. username, { headers = { Connection = "close" } }, function (body, code)
		local answer = code == 200 and json.decode(body);
		if type(answer) == "table" and answer.success == "OK" then
			registered = answer.registered == true;
		else
			module:log("warn", "The school server's daemon does not say who is registered (%s)", code);
		end
		done();
	end);
	wait();
	return registered;
end

local function refuse(event, type, condition, text)
	event.allowed = false;
	event.error = { type = type, condition = condition, text = text };
end

-- A name that has an account goes on to the conflict, which tells the laptop to log in.
local function is_to_be_known(event)
	return event.allowed and module:get_option_string("sugar_accounts", "anyone") == "registered"
		and not user_exists(event.username, module.host);
end

module:hook("user-registering", function (event)
	if not event.username:match(name_pattern) then
		refuse(event, "modify", "not-acceptable", "The user name is not a laptop's.");
	elseif is_to_be_known(event) then
		local registered = is_registered(event.username);
		if registered == nil then
			refuse(event, "wait", "resource-constraint", "The school server cannot say who is registered. Try again.");
		elseif not registered then
			refuse(event, "auth", "forbidden", "The laptop is not registered with the school server.");
		end
	end
end, 10);
