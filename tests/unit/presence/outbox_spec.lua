-- The order in which a session gets what it reads from the log and what is put into its own queue, piece by piece.

local part = dofile("tests/unit/presence/part.lua");

local due, handlers = {}, {}; -- what Prosody's loop would call
local module = {
	get_option_number = function (_, _, default) return default; end;
	hook = function (_, name, handler) handlers[name] = handler; end;
	add_timer = function (_, _, act) due[#due + 1] = act; end;
};
local outbox = part("outbox", module);
due = {}; -- not the search for those who do not read
local neighborhoods = part("neighborhood", module);
local filters = require "util.filters";

local function user(name)
	local jid = name .. "@school";
	return { jid = jid; item = neighborhoods.item_text(jid, "both"); own = { [false] = {} }; items = {}; views = {} };
end

local function say(who, words)
	return { user = who; head = "<" .. words .. " to='"; tail = "'/>"; at = 0 };
end

-- A session that keeps what is written; its connection takes a piece at a time.
local function open(hood, who)
	local session = { written = {} };
	local filter = filters.initialize(session);
	function session.rawsend(data)
		local text = filter("bytes/out", data);
		if text then session.written[#session.written + 1] = text; end
	end
	local view = { session = session; user = who; to = who.jid .. "/sugar" };
	hood:add(view);
	return outbox.open(view), session;
end

-- Until nothing is left to do, which has to be soon.
local function run(...)
	local deadline = os.time() + 20;
	while due[1] do
		assert(os.time() < deadline, "it does not come to rest");
		local act = table.remove(due, 1);
		if act() then due[#due + 1] = act; end
		for _, session in ipairs { ... } do handlers["c2s-ondrain"]({ session = session }); end
	end
end

describe("a session", function ()
	local hood, ana, ben, view, session;

	before_each(function ()
		hood, ana, ben = neighborhoods.new(), user("ana"), user("ben");
		view, session = open(hood, ana);
	end);

	local function see(available, interested)
		view.available, view.interested = available, interested;
		neighborhoods.look(view);
	end

	it("is told of what happened before it looked as it saw then", function ()
		hood:tell(say(ben, "one"));
		see(true);
		hood:tell(say(ben, "two"));
		outbox.put(view, "<mine/>");
		see(false);
		hood:tell(say(ben, "three"));
		run(session);
		assert.are.equal("<two to='ana@school/sugar'/><mine/>", table.concat(session.written));
	end);

	it("gets its roster before what is told of those who come afterwards", function ()
		outbox.put(view, outbox.pieces({ "<a/>", "<me/>", "<b/>" }, "<me/>"));
		see(true, true);
		hood:add_member(ben);
		run(session);
		assert.is_truthy(table.concat(session.written):match("^<a/><b/><iq type='set'.*ben@school"));
	end);

	it("gets a long text piece by piece, as its connection takes it", function ()
		local letters = ("x"):rep(1000);
		local parts = {};
		for number = 1, 500 do parts[number] = letters; end
		outbox.put(view, outbox.pieces(parts));
		outbox.put(view, "<end/>");
		run(session);
		local longest = 0;
		for _, text in ipairs(session.written) do longest = math.max(longest, #text); end
		assert.is_true(longest < 100000);
		assert.are.equal(letters:rep(500) .. "<end/>", table.concat(session.written));
	end);

	it("is not told of itself, but all others are, even if it has left before they read", function ()
		local zoe_view, zoe_session = open(hood, user("zoe"));
		zoe_view.available, zoe_view.interested = true, true;
		neighborhoods.look(zoe_view);
		see(true, true);
		hood:add_member(ben);
		hood:add_member(ana);
		for _, name in ipairs { "eva", "ina" } do hood:add_member(user(name)); end
		hood:remove_member(ana);
		run(session, zoe_session);
		local arrival = neighborhoods.item_text("ana@school", "both");
		assert.is_nil(table.concat(session.written):find(arrival, 1, true));
		assert.is_truthy(table.concat(zoe_session.written):find(arrival, 1, true));
	end);
end);
