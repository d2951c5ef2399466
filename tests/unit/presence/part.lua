-- Loads a part of mod_sugar_roster as module:require does, with Prosody's own libraries and a module that is none.

local FOLDER = "packages/prosody-sugar/modules/mod_sugar_roster/";
local LIBRARIES = "/usr/lib/prosody/";
package.path = LIBRARIES .. "?.lua;" .. package.path;
package.cpath = LIBRARIES .. "?.so;" .. package.cpath;
-- Prosody 13 calls its libraries prosody.util.*, and finds them by this under both names.
if package.searchpath("loader", LIBRARIES .. "?.lua") then require "loader"; end

return function (name, module)
	local environment = setmetatable({ module = module; prosody = { full_sessions = {} } }, { __index = _G });
	return assert(loadfile(FOLDER .. name .. ".lib.lua", "t", environment))();
end
