-- mod_sugar_rooms: a shared activity's room is gone with the last child in it, whatever its owner asks for
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- The form goes on to offer persistent rooms: telepathy-gabble fills in that the room is not to be one, and gives up
-- where the field is missing. So the answer is passed over instead.

module:hook("muc-config-submitted/muc#roomconfig_persistentroom", function (event)
	if event.value then return true; end
end, 10);
