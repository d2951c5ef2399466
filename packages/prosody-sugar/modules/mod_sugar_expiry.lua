-- mod_sugar_expiry: accounts that nobody has used for long are removed
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- A laptop that is set up anew has a new key, hence a new account, and never comes back to its old one. The day of an
-- account's last login is noted, at most once in a week, for flash wears out; it is read once, and then known. An
-- account of which nothing is noted yet begins today. A laptop whose account was removed makes it again by itself.
--
-- A school's clock may be wrong: its battery is empty, or somebody sets it. So no date is taken for an earlier one, and
-- nothing is removed before the days have gone on one after the other for a while.

local usermanager = require "core.usermanager";

local DAY = 24 * 60 * 60;
local LONGEST_PAUSE, STEADY = 90, 14; -- days: holidays with the server switched off; until the clock is believed
local days = module:get_option_number("sugar_unused_account_days", 400);
local first_seconds = module:get_option_number("sugar_expiry_first_seconds", 600);

local seen = module:open_store("sugar_seen");
local days_known = {}; -- account -> what its store has

local function today()
	return math.floor(os.time() / DAY);
end

local function note(username, day)
	local known = days_known[username];
	if not known then
		local stored = seen:get(username);
		known = stored and stored.day;
	end
	if not known or day - known >= 7 then
		if not seen:set(username, { day = day }) then return; end
		known = day;
	end
	days_known[username] = known;
end

module:hook("resource-bind", function (event)
	note(event.session.username, today());
end, -10);

module:hook_global("user-deleted", function (event)
	if event.host ~= module.host then return; end
	seen:set(event.username, nil);
	days_known[event.username] = nil;
end);

local function is_clock_steady()
	local clock, day = seen:get(nil) or {}, today();
	if not clock.day or day < clock.day or day > clock.day + LONGEST_PAUSE then clock.since = day; end
	clock.day = day;
	seen:set(nil, clock);
	return day - clock.since >= STEADY;
end

local function expire()
	if not is_clock_steady() then return DAY; end
	local online = prosody.hosts[module.host].sessions;
	local unused = {};
	for username in usermanager.users(module.host) do
		local known = seen:get(username);
		if not known then
			note(username, today());
		elseif today() - known.day > days and not online[username] then
			unused[#unused + 1] = username;
		end
	end
	for _, username in ipairs(unused) do
		module:log("info", "The account %s has not been used for %d days, removing it", username, days);
		usermanager.delete_user(username, module.host);
	end
	return DAY;
end

if days > 0 then module:add_timer(first_seconds, expire); end
