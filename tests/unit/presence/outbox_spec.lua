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
part("retrospect", module);
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
local function run(session)
	local deadline = os.time() + 20;
	while due[1] do
		assert(os.time() < deadline, "it does not come to rest");
		local act = table.remove(due, 1);
		if act() then due[#due + 1] = act; end
		handlers["c2s-ondrain"]({ session = session });
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
		hood:list(view, "<roster>", "</roster>");
		see(true, true);
		hood:add_member(ben);
		run(session);
		assert.is_truthy(table.concat(session.written):match("^<roster></roster><iq type='set'.*ben@school"));
	end);
end);
