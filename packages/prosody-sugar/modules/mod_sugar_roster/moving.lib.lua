-- Part of mod_sugar_roster: users who move together from one neighborhood to another
-- Copyright (C) 2026 The sugar-deploy developers
-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- They see each other all the time; those who stay behind vanish, and those who were there before appear.

local neighborhoods = module.neighborhoods;
local outbox = module.outbox;

-- An entry for the queues of many: letters that are not in their log.
local enclosure = {};
enclosure.__index = enclosure;

function enclosure:read(view, text, n, size)
	local own = view.user.own;
	for _, letter in ipairs(self) do
		if letter.contact == nil then
			if view.sees.available then
				text[n + 1], text[n + 2], text[n + 3] = letter.head, view.to, letter.tail;
				n = n + 3;
			end
		elseif view.sees.interested then
			local jid = letter.user.jid;
			local subscription = letter.contact and "both" or own[jid] and own[jid].subscription or "remove";
			n = n + 1;
			text[n] = neighborhoods.push(neighborhoods.item_text(jid, subscription, own[jid]));
		end
	end
	return n, size, true;
end

local function goodbye(user, each)
	for _, view in pairs(user.views) do
		if view.available then
			each({ user = user, at = 0, tail = "'/>",
				head = "<presence type='unavailable' from='" .. view.to .. "' to='" });
		end
	end
end

local function farewells(hood)
	local letters = setmetatable({}, enclosure);
	local function add(letter) letters[#letters + 1] = letter; end
	for user in pairs(hood.members) do
		goodbye(user, add);
		add({ user = user, contact = false });
	end
	return letters;
end

local function greetings(hood)
	local letters = setmetatable({}, enclosure);
	for user in pairs(hood.members) do letters[#letters + 1] = { user = user, contact = true }; end
	return letters;
end

-- The users leave the old neighborhood, and see it no more.
function neighborhoods.class:part(users)
	for _, user in ipairs(users) do
		for _, view in pairs(user.views) do
			outbox.settle(view);
			self:remove(view);
		end
	end
	for _, user in ipairs(users) do
		if user.since then
			goodbye(user, function (letter) self:tell(letter); end);
			self:remove_member(user);
		end
	end
	local letters = farewells(self);
	for _, user in ipairs(users) do
		for _, view in pairs(user.views) do
			view.cursor = self.log.last + 1; -- not the others' leave
			outbox.put(view, letters);
		end
	end
end

function neighborhoods.class:join(users)
	for _, user in ipairs(users) do
		if user.shown > 0 then
			self:welcome(user);
			for _, view in pairs(user.views) do
				if view.available then self:tell(view.presence); end
			end
			for _, letter in pairs(user.items) do self:tell(letter); end
		end
	end
	local letters = greetings(self);
	for _, user in ipairs(users) do
		for _, view in pairs(user.views) do
			self:add(view);
			outbox.rebase(view);
			outbox.put(view, letters);
			if view.available then self:look_back(view, true, view.nodes); end
		end
	end
	for _, user in ipairs(users) do
		user.hood = self;
		if user.since then self:enroll(user); end
	end
end
