-- Part of several modules: looking after each session of the host, those included that were there before the module
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later

-- A list, for what is done with one of them may end it.
local function all()
	local found = {};
	for _, user in pairs(prosody.hosts[module.host].sessions) do
		for _, session in pairs(user.sessions) do found[#found + 1] = session; end
	end
	return found;
end

-- `begin` is called with each session, now or when it comes, and `stop` with those that are there at the module's end.
local function look_after(begin, stop)
	module:hook("resource-bind", function (event) begin(event.session); end);
	function module.load()
		for _, session in ipairs(all()) do begin(session); end
	end
	function module.unload()
		for _, session in ipairs(all()) do stop(session); end
	end
end

return { all = all; look_after = look_after };
