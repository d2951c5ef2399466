-- mod_sugar_federation: servers of other schools, and of those only the ones that the deployment names
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- sugar_federation = { ["DOMAIN"] = "ADDRESS"; ... } names the other schools and where their servers are, for without
-- Internet there is nobody to ask. To them, and to the rooms at conference.DOMAIN, stanzas go and from them they come;
-- nothing is relayed to or taken from any other domain. Who they are is proved by certificates of the deployment's
-- own authority: that is mod_s2s's and mod_saslauth's work (s2s_secure_auth, no dialback).

module:set_global();

local service = require "net.resolvers.service";
local basic = require "net.resolvers.basic";
local manual = require "net.resolvers.manual";
local nameprep = require "util.encodings".stringprep.nameprep;

local port = module:get_option_number("sugar_federation_port", 5269);

local function address_of(domain)
	local schools = module:get_option("sugar_federation", {});
	domain = domain and nameprep(domain);
	return domain and (schools[domain] or schools[domain:match("^conference%.(.+)$") or false]);
end

-- mod_s2s asks the DNS for records of a server, unless it is told here.
local resolver_of = service.new;

function service.new(domain, name, kind, extra)
	local address = address_of(domain);
	if not address then return resolver_of(domain, name, kind, extra); end
	if name ~= "xmpp-server" then return manual.new({}, kind, extra); end
	return basic.new(address, port, kind, extra);
end

function module.unload()
	service.new = resolver_of;
end

local REFUSAL = { condition = "policy-violation"; text = "This server knows no such school" };

-- luacheck: ignore 431/module
function module.add_host(module)
	module:hook("route/remote", function (event)
		if not address_of(event.to_host) then return false; end -- which is answered by an error
	end, 100);

	module:hook("s2s-stream-features", function (event)
		local from = event.origin.from_host;
		if from and not address_of(from) then event.origin:close(REFUSAL); end
	end, 1000);

	module:hook("s2s-authenticated", function (event)
		if address_of(event.host) then return; end
		event.session:close(REFUSAL);
		return true;
	end, 1000);
end
