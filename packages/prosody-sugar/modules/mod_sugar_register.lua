-- mod_sugar_register: in-band registration as Sugar's XMPP client understands it
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- telepathy-gabble gives up on a registration form that offers a data form (jabber:x:data), which Prosody's own
-- always does; so the form is answered here, and everything else is left to mod_register_ibr. Accounts are named
-- by the SHA-1 of the laptop's public key; other names cannot be registered from outside.

local st = require "util.stanza";

local instructions = module:get_option_string("registration_instructions",
	"The user name is the SHA-1 of the public key, in hexadecimal.");
local name_pattern = module:get_option_string("sugar_account_pattern", "^" .. ("[0-9a-f]"):rep(40) .. "$");

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

module:hook("user-registering", function (event)
	if event.username:match(name_pattern) then return; end
	event.allowed = false;
	event.error = { type = "modify", condition = "not-acceptable", text = "The user name is not a laptop's." };
end, 10);
