-- The log of a neighborhood and the views on it: what each reads, in which order, and what is forgotten.

local part = dofile("tests/unit/presence/part.lua");
local entries; -- what has been put into a view's queue
local module = { outbox = {
	wake = function () end; settle = function () end; put = function (_, entry) entries[#entries + 1] = entry; end;
} };
local neighborhoods = part("neighborhood", module);
part("retrospect", module);

local function user(name)
	local jid = name .. "@school";
	return { jid = jid; item = neighborhoods.item_text(jid, "both"); own = { [false] = {} }; items = {}; views = {} };
end

local function view_of(hood, who)
	local view = { user = who; to = who.jid .. "/sugar"; eyes = { available = true; interested = true } };
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

-- What stanzas say to a view: the lines of a roster, and what is said otherwise, to itself.
local function said(view, text)
	local seen = {};
	for _, stanza in ipairs(parsed("<all>" .. text .. "</all>").tags) do
		if stanza.name == "iq" then
			seen[#seen + 1] = lines(stanza.tags[1]);
		else
			assert.are.equal(view.to, stanza.attr.to);
			seen[#seen + 1] = stanza.name;
		end
	end
	return seen;
end

-- What a view has to read, up to a limit of bytes.
local function read(view, limit)
	local text = {};
	local n = view:read(view.log.last, text, 0, 0, limit or math.huge);
	return said(view, table.concat(text, "", 1, n));
end

-- The pieces of an entry, each of a limit of bytes.
local function pieces_of(entry, view, limit)
	local pieces = {};
	repeat
		local text = {};
		local n, _, is_done = entry:read(view, text, 0, 0, limit or math.huge);
		pieces[#pieces + 1] = table.concat(text, "", 1, n);
	until is_done
	return pieces;
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
		entries, hood, ana, ben = {}, neighborhoods.new(), user("ana"), user("ben");
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
		view.eyes = { available = true; nodes = { colour = true } };
		hood:tell(say(ben, "colour", "colour"));
		hood:tell(say(ben, "nick", "nick"));
		assert.are.same({ "colour" }, read(view));
	end);

	it("without presence gets no presence, and without a roster no pushes", function ()
		view.eyes = { available = false; interested = true };
		hood:add_member(ben);
		hood:tell(say(ben, "presence"));
		assert.are.same({ "ben both" }, read(view));
		view.eyes = { available = true; interested = false };
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
		assert.are.same({ eva }, hood.log.users);
		assert.are.same({ "two" }, read(slow));
		hood:forget_read();
		assert.are.same({}, hood.log.users);
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
	end);
end);

describe("looking back", function ()
	local hood, ana, view;

	before_each(function ()
		entries, hood, ana = {}, neighborhoods.new(), user("ana");
		view = view_of(hood, ana);
		for _, name in ipairs { "b", "c", "d" } do
			local other = user(name);
			other.views = { { available = true; presence = say(other, "presence") } };
			other.items = { colour = say(other, "colour", "colour"); nick = say(other, "nick", "nick") };
			other.hood = hood;
			hood:add_member(other);
		end
		hood:add_member(ana);
	end);

	it("lists the others, in pieces as large as one wants them", function ()
		hood:list(view, "<iq><query>", "</query></iq>");
		local pieces = pieces_of(entries[1], view, 1);
		assert.is_true(#pieces >= 3);
		assert.are.same({ "b both, c both, d both" }, said(view, table.concat(pieces)));
	end);

	it("is a roster even where nobody is", function ()
		local empty = neighborhoods.new();
		local alone = view_of(empty, ana);
		empty:list(alone, "<iq><query>", "</query></iq>");
		assert.are.same({ "<iq><query></query></iq>" }, pieces_of(entries[1], alone, 1));
	end);

	it("leaves out who has left before it is read, and who comes later", function ()
		hood:list(view, "<iq><query>", "</query></iq>");
		hood:remove_member(hood.roll[2]);
		local late = user("late");
		late.hood = hood;
		hood:add_member(late);
		assert.are.same({ "b both, d both" }, said(view, table.concat(pieces_of(entries[1], view))));
	end);

	it("lists what the child has noted", function ()
		ana.own["c@school"] = { name = "Carla"; subscription = "none"; groups = {} };
		hood:list(view, "<iq><query>", "</query></iq>");
		local items = parsed(pieces_of(entries[1], view)[1]).tags[1].tags;
		assert.are.same({ "b@school"; "c@school"; "d@school" }, { items[1].attr.jid; items[2].attr.jid; items[3].attr.jid });
		assert.are.equal("Carla", items[2].attr.name);
	end);

	it("shows presences and the items that are wanted and not known yet", function ()
		hood:look_back(view, true, { colour = true });
		hood:look_back(view, false, { colour = true; nick = true }, { colour = true });
		assert.are.same({ "presence"; "colour"; "presence"; "colour"; "presence"; "colour" },
			said(view, table.concat(pieces_of(entries[1], view, 1))));
		assert.are.same({ "nick"; "nick"; "nick" }, said(view, table.concat(pieces_of(entries[2], view, 1))));
	end);
end);
