-- mod_sugar_classes: whose class is whose, as the school server's daemon knows it from registration
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Asks the daemon on this machine, again and again: GET /client/groups answers { "success": "OK", "groups":
-- { CLASS: [ACCOUNT, ...] } }, to loopback only. mod_sugar_roster takes the answer from `class_of` (account -> class),
-- which is false while the daemon is away, and hears of a change by the event "sugar-classes". A failure may be a
-- restart of the daemon: only when several in a row find nobody, nothing is known.

local http = require "net.http";
local json = require "util.json";

local url = module:get_option_string("sugar_daemon", "http://127.0.0.1:8080/client") .. "/groups";
local seconds = module:get_option_number("sugar_classes_seconds", 60);
local FAILURES = 3;

local failures, last_body = 0, nil;

-- luacheck: globals class_of
class_of = false;

local function set(classes, body)
	class_of, last_body = classes, body;
	module:fire_event("sugar-classes");
end

local function understand(body)
	local answer = json.decode(body);
	if type(answer) ~= "table" or answer.success ~= "OK" or type(answer.groups) ~= "table" then return; end
	local classes = {};
	for class, members in pairs(answer.groups) do
		if type(class) ~= "string" or type(members) ~= "table" then return; end
		for _, account in ipairs(members) do classes[account] = class; end
	end
	return classes;
end

local function answered(body, code)
	if code == 200 and body == last_body then
		failures = 0;
		return;
	end
	local classes = code == 200 and understand(body);
	if classes then
		failures = 0;
		set(classes, body);
		return;
	end
	failures = failures + 1;
	if failures == FAILURES then
		module:log("warn", "The school server's daemon does not say who is in which class (%s): everybody sees everybody",
			code == 200 and "the answer makes no sense" or tostring(code));
		if class_of then set(false, nil); end
	end
end

module:add_timer(0, function ()
	http.request(url, { headers = { Connection = "close" } }, answered);
	return failures == 0 and class_of and seconds or math.min(seconds, 5);
end);

-- A reload forgets nobody's class: it would let everybody appear and vanish again.
function module.save()
	return { class_of = class_of; last_body = last_body };
end

function module.restore(saved)
	class_of, last_body = saved.class_of, saved.last_body;
end
