-- mod_sugar_memory: what a school's morning leaves behind does not stay in memory for the day
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- The generational collector (see sugar.cfg.lua) falls back to Lua's pause where much of the memory has to stay, as
-- when a whole school comes back: by default it then lets the memory double before it looks again, and Prosody's
-- settings of this mode do not reach it. And where nothing happens nothing is collected. A small school's memory is
-- looked through as seldom as a large one's: by default the collector starts whenever it has grown by a fifth.

module:set_global();

local clock = os.clock;
local get_time = require "util.time".monotonic;

local PAUSE = 130; -- percent of what was in use after the last collection
local interval = module:get_option_number("sugar_quiet_seconds", 15);
local QUIET = 0.05; -- of a processor
local GROWTH = 1.1; -- less is not worth a whole collection

local YOUNG = 16 * 1024; -- KiB that may be new before they are looked through, but ...
local LEAST, MOST = 20, 200; -- ... in percent of all

local pause_before = collectgarbage("setpause", PAUSE);
local cpu, at = clock(), get_time();
local settled = collectgarbage("count");

local function pace()
	collectgarbage("generational", math.floor(math.max(LEAST, math.min(MOST, 100 * YOUNG / collectgarbage("count")))));
end

function module.add_host(host_module)
	host_module:hook("resource-bind", pace);
end

module:add_timer(interval, function ()
	local share = (clock() - cpu) / (get_time() - at);
	if share < QUIET and collectgarbage("count") > settled * GROWTH then
		collectgarbage();
		settled = collectgarbage("count");
	end
	cpu, at = clock(), get_time();
	return interval;
end);

function module.unload()
	collectgarbage("setpause", pause_before);
end
