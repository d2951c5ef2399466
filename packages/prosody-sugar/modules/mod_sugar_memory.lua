-- mod_sugar_memory: what a school's morning leaves behind does not stay in memory for the day
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- The generational collector (see sugar.cfg.lua) falls back to Lua's pause where much of the memory has to stay, as
-- when a whole school comes back: by default it then lets the memory double before it looks again, and Prosody's
-- settings of this mode do not reach it. And where nothing happens nothing is collected.

module:set_global();

local clock = os.clock;
local get_time = require "util.time".monotonic;

local PAUSE = 130; -- percent of what was in use after the last collection
local interval = module:get_option_number("sugar_quiet_seconds", 15);
local QUIET = 0.05; -- of a processor
local GROWTH = 1.1; -- less is not worth a whole collection

local pause_before = collectgarbage("setpause", PAUSE);
local cpu, at = clock(), get_time();
local settled = collectgarbage("count");

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
