-- mod_sugar_memory: what a school's morning leaves behind does not stay in memory for the day
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- The generational collector (see sugar.cfg.lua) falls back to Lua's pause where much of the memory has to stay, as
-- when a whole school comes back: by default it then lets the memory double before it looks again, and Prosody's
-- settings of this mode do not reach it. And where nothing happens nothing is collected. New memory is looked through
-- whenever there is a fifth more, which is too often for what it saves where all is little.

module:set_global();

local clock = os.clock;
local get_time = require "util.time".monotonic;

local PAUSE = 130; -- percent of what was in use after the last collection
local interval = module:get_option_number("sugar_quiet_seconds", 15);
local QUIET = 0.05; -- of a processor
local GROWTH = 1.1; -- less is not worth a whole collection

local LITTLE = 24 * 1024; -- KiB in all
local USUAL, SELDOM = 20, 100; -- percent that are new

local pause_before = collectgarbage("setpause", PAUSE);
local cpu, at = clock(), get_time();
local settled = collectgarbage("count");

-- Only when it has to be: to be told its mode costs a collector that has fallen back a whole collection.
local is_little = false;
local is_generational = (module:get_option("gc") or {}).mode == "generational";

local function pace()
	if not is_generational then return; end
	local was_little = is_little;
	is_little = collectgarbage("count") < LITTLE;
	if is_little ~= was_little then collectgarbage("generational", is_little and SELDOM or USUAL); end
end

local function collect()
	collectgarbage();
	settled = collectgarbage("count");
	pace();
end

function module.add_host(host_module)
	host_module:hook("resource-bind", pace);
end

module:add_timer(interval, function ()
	local share = (clock() - cpu) / (get_time() - at);
	if share < QUIET and collectgarbage("count") > settled * GROWTH then collect(); end
	cpu, at = clock(), get_time();
	return interval;
end);

pace();

function module.unload()
	if is_little then collectgarbage("generational", USUAL); end
	collectgarbage("setpause", pause_before);
end
