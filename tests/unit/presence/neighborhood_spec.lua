-- The log of a neighborhood and the views on it: what each reads, in which order, and what is forgotten.

local part = dofile("tests/unit/presence/part.lua");
local neighborhoods = part("neighborhood", { outbox = { wake = function () end; settle = function () end } });

local function user(name)
	local jid = name .. "@school";
	return { jid = jid; item = neighborhoods.item_text(jid, "both"); own = { [false] = {} }; items = {}; views = {} };
end

local function view_of(hood, who)
	local view = { user = who; to = who.jid .. "/sugar"; sees = { available = true; interested = true } };
	hood:add(view);
	return view;
end

local function say(who, words, node)
	return { user = who; head = "<" .. words .. " to='"; tail = "'/>"; at = 0; node = node };
end

local function parsed(text)
	return assert(require "util.xml".parse(text));
end

-- What items say: "ben both, eva remove".
local function lines(query)
	local said = {};
	for _, item in ipairs(query.tags) do
		said[#said + 1] = item.attr.jid:match("^[^@]*") .. " " .. item.attr.subscription;
	end
	return table.concat(said, ", ");
end

-- What a view has to read, up to a limit of bytes: the lines of each push, and what is said otherwise, to itself.
local function read(view, limit)
	local text = {};
	local n = view:read(view.log.last, text, 0, 0, limit or math.huge);
	local seen = {};
	for _, stanza in ipairs(parsed("<all>" .. table.concat(text, "", 1, n) .. "</all>").tags) do
		if stanza.name == "iq" then
			seen[#seen + 1] = lines(stanza.tags[1]);
		else
			assert.are.equal(view.to, stanza.attr.to);
			seen[#seen + 1] = stanza.name;
		end
	end
	return seen;
end

describe("a roster's item", function ()
	it("keeps what the child has noted about the contact", function ()
		local item = parsed(neighborhoods.item_text("a@school", "both", { name = "O'Hara <3"; groups = { Friends = true } }));
		assert.are.same({ jid = "a@school"; subscription = "both"; name = "O'Hara <3" }, item.attr);
		assert.are.equal("Friends", item:get_child_text("group"));
	end);

	it("cannot be broken out of by a JID", function ()
		assert.are.equal("a'><x/>@school", parsed(neighborhoods.item_text("a'><x/>@school", "both")).attr.jid);
	end);
end);

describe("answers to pushes", function ()
	local st = require "util.stanza";

	it("are told from all else", function ()
		local id = neighborhoods.push(""):match("id='([^']*)'");
		assert.is_true(neighborhoods.is_answer_to_push(st.iq({ type = "result", id = id })));
		assert.is_false(neighborhoods.is_answer_to_push(st.iq({ type = "error", id = id })));
		assert.is_false(neighborhoods.is_answer_to_push(st.iq({ type = "result", id = "my-roster-1" })));
		assert.is_false(neighborhoods.is_answer_to_push(st.message({ id = id })));
	end);

	it("are to pushes of different ids", function ()
		assert.are_not.equal(neighborhoods.push(""), neighborhoods.push(""));
	end);
end);

describe("a view", function ()
	local hood, ana, ben, view;

	before_each(function ()
		hood, ana, ben = neighborhoods.new(), user("ana"), user("ben");
		view = view_of(hood, ana);
	end);

	it("reads the line of a contact before its presence, and both once", function ()
		hood:add_member(ben);
		hood:tell(say(ben, "presence"));
		assert.are.same({ "ben both", "presence" }, read(view));
		assert.are.same({}, read(view));
	end);

	it("reads a leave before the removal", function ()
		hood:add_member(ben);
		read(view);
		hood:tell(say(ben, "unavailable"));
		hood:remove_member(ben);
		assert.are.same({ "unavailable", "ben remove" }, read(view));
	end);

	it("reads nothing of its own user", function ()
		hood:add_member(ana);
		hood:tell(say(ana, "presence"));
		assert.are.same({}, read(view));
	end);

	it("gets three arrivals one by one and four at once", function ()
		for _, name in ipairs { "b", "c", "d" } do hood:add_member(user(name)); end
		assert.are.same({ "b both", "c both", "d both" }, read(view));
		for _, name in ipairs { "e", "f", "g", "h" } do hood:add_member(user(name)); end
		assert.are.same({ "e both, f both, g both, h both" }, read(view));
	end);

	it("is told of items that it asked for only", function ()
		view.sees = { available = true; nodes = { colour = true } };
		hood:tell(say(ben, "colour", "colour"));
		hood:tell(say(ben, "nick", "nick"));
		assert.are.same({ "colour" }, read(view));
	end);

	it("without presence gets no presence, and without a roster no pushes", function ()
		view.sees = { available = false; interested = true };
		hood:add_member(ben);
		hood:tell(say(ben, "presence"));
		assert.are.same({ "ben both" }, read(view));
		view.sees = { available = true; interested = false };
		hood:remove_member(ben);
		hood:tell(say(ben, "presence"));
		assert.are.same({ "presence" }, read(view));
	end);

	it("stops at its limit and goes on from there", function ()
		hood:tell(say(ben, "one"));
		hood:tell(say(ben, "two"));
		assert.are.same({ "one" }, read(view, 1));
		assert.are.same({ "two" }, read(view, 1));
	end);

	it("gives back a contact of the child's own afterwards", function ()
		ana.own["ben@school"] = { name = "Benjamin"; subscription = "none"; groups = {} };
		hood:add_member(ben);
		assert.are.same({ "ben both" }, read(view));
		hood:remove_member(ben);
		assert.are.same({ "ben none" }, read(view));
	end);

	it("shares the text of arrivals only with those to whom it applies", function ()
		local eva = user("eva");
		local eva_view = view_of(hood, eva);
		for _, name in ipairs { "b", "c", "d" } do hood:add_member(user(name)); end
		hood:add_member(eva);
		assert.are.same({ "b both, c both, d both, eva both" }, read(view));
		assert.are.same({ "b both", "c both", "d both" }, read(eva_view));
	end);

	-- Each comes at a place of its own, reads as far as that, and of the others when all are there.
	it("of one who comes back with a whole school is told of all once, and keeps no text of its own", function ()
		local count, views = 600, {};
		for number = 1, count do
			local guest = user("guest" .. number);
			views[number] = view_of(hood, guest);
			hood:add_member(guest);
			read(views[number]);
		end
		local told, pushes = 0, 0;
		for _, items in ipairs(read(view)) do
			pushes = pushes + 1;
			for _ in items:gmatch("both") do told = told + 1; end
		end
		assert.are.equal(count, told);
		assert.is_true(pushes < 5, pushes .. " pushes, each of which is answered");
		for number, each in ipairs(views) do
			local _, others = table.concat(read(each), ", "):gsub("both", "");
			assert.are.equal(count - number, others);
		end
		local kept = 0;
		for _, text in pairs(hood.pushes) do kept = kept + #(text or ""); end
		local all = #table.concat(hood:list(ana));
		assert.is_true(kept > 0 and kept < all, kept .. " bytes kept, where all items have " .. all);
	end);
end);

describe("the log", function ()
	it("keeps what somebody has not read, and no more", function ()
		local hood, ana, ben, eva = neighborhoods.new(), user("ana"), user("ben"), user("eva");
		local quick, slow = view_of(hood, ana), view_of(hood, ben);
		hood:tell(say(eva, "one"));
		read(slow);
		hood:tell(say(eva, "two"));
		read(quick);
		hood:forget_read();
		assert.is_nil(hood.log[1]);
		assert.are.same({ "two" }, read(slow));
		hood:forget_read();
		assert.is_nil(hood.log[2]);
	end);

	it("does not make memory of those who have left", function ()
		local hood = neighborhoods.new();
		local stays = user("stays");
		hood:add_member(stays);
		for number = 1, 100 do
			local guest = user("guest" .. number);
			hood:add_member(guest);
			hood:remove_member(guest);
		end
		assert.is_true(#hood.roll <= 4);
		assert.are.equal(stays, hood.roll[stays.enrolled]);
		assert.are.same({ stays.item }, hood:list(user("new")));
	end);
end);

describe("a list for a roster", function ()
	local hood, ana, ben, eva;

	before_each(function ()
		hood, ana, ben, eva = neighborhoods.new(), user("ana"), user("ben"), user("eva");
		for _, each in ipairs { ana, ben } do hood:add_member(each); end
	end);

	local function listed(who)
		return lines(parsed("<query>" .. table.concat(hood:list(who)) .. "</query>"))
			:gsub("ben both, ana both", "ana both, ben both");
	end

	it("is one for all, and stays what it was for those who are still reading", function ()
		local before = hood:list(ana);
		assert.are.equal(before, hood:list(ben));
		hood:add_member(eva);
		assert.are.equal(2, #before);
		assert.are.equal(3, #hood:list(ana));
		hood:remove_member(eva);
		assert.are.equal("ana both, ben both", (listed(eva)));
	end);

	it("says what a child has noted, to that child alone and not of itself", function ()
		eva.own["ben@school"] = { name = "Benjamin"; subscription = "none"; groups = {} };
		hood:add_member(eva);
		local of_eva = table.concat(hood:list(eva));
		assert.is_truthy(of_eva:find("Benjamin", 1, true));
		assert.is_nil(of_eva:find("eva@school", 1, true));
		assert.is_nil(table.concat(hood:list(ana)):find("Benjamin", 1, true));
	end);
end);
