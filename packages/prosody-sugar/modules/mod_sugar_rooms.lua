-- mod_sugar_rooms: a shared activity's room is gone with the last child in it, whatever its owner asks for
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- The form goes on to offer persistent rooms: telepathy-gabble fills in that the room is not to be one, and gives up
-- where the field is missing. So the answer is passed over instead.

--
-- It is loaded with the laptops' host, and looks after the rooms of all components: so their part of the configuration
-- is the same whatever version of this package is installed.

local function pass_over(event)
	if event.value then return true; end
end

local function look_after(host)
	local is_component = prosody.hosts[host] and prosody.hosts[host].type == "component";
	if not is_component then return; end
	module:context(host):hook("muc-config-submitted/muc#roomconfig_persistentroom", pass_over, 10);
end

for host in pairs(prosody.hosts) do look_after(host); end
module:hook_global("host-activated", look_after);
