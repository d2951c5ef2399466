-- Capabilities as XEP-0115 has them, and stanzas as text around the receiver's JID.

local part = dofile("tests/unit/presence/part.lua");
local items = part("items", { outbox = {}; depends = function () return {}; end });
local st = require "util.stanza";

-- XEP-0115, section 5.2: the simple generation example.
local FEATURES = {
	"http://jabber.org/protocol/disco#info"; "http://jabber.org/protocol/disco#items";
	"http://jabber.org/protocol/muc"; "http://jabber.org/protocol/caps";
};
local VER = "QgayPKawpkPSDYmwT/WM94uAlu0=";

local function answer(features)
	local iq = st.iq({ type = "result", id = "sugar-caps" }):tag("query", { xmlns = FEATURES[1] })
		:tag("identity", { category = "client", type = "pc", name = "Exodus 0.9.1" }):up();
	for _, feature in ipairs(features) do iq:tag("feature", { var = feature }):up(); end
	return iq:reset();
end

local function presence(attributes)
	attributes.xmlns = "http://jabber.org/protocol/caps";
	return st.presence():tag("c", attributes):reset();
end

describe("an answer about capabilities", function ()
	it("is known again by the hash of the standard", function ()
		local hash, nodes = items.answered(answer(FEATURES));
		assert.are.equal(VER, hash);
		assert.are.same({}, nodes);
		assert.are.equal(nodes, items.known_nodes[VER]);
	end);

	it("names the nodes that the client wants to hear of", function ()
		local hash, nodes = items.answered(answer { "urn:a+notify", "urn:b", "urn:c+notify+x", "+notify" });
		assert.are.same({ ["urn:a"] = true, [""] = true }, nodes);
		assert.are_not.equal(VER, hash);
	end);

	it("without a query says nothing", function ()
		assert.is_nil(items.answered(st.iq({ type = "result", id = "sugar-caps" })));
	end);
end);

describe("advertised capabilities", function ()
	it("are known by their hash, and asked for by node and version", function ()
		local hash, node = items.advertised(presence { hash = "sha-1", node = "urn:gabble", ver = VER });
		assert.are.same({ VER, "urn:gabble#" .. VER }, { hash, node });
	end);

	it("of an algorithm that is not computed here are asked for each time", function ()
		local hash, node = items.advertised(presence { hash = "sha-256", node = "urn:gabble", ver = "x" });
		assert.are.same({ nil, "urn:gabble#x" }, { hash, node });
	end);

	it("from before the hashes differ by their extensions, too", function ()
		local one = items.advertised(presence { node = "urn:gabble", ver = "0.7", ext = "olpc" });
		local other = items.advertised(presence { node = "urn:gabble", ver = "0.7" });
		assert.are_not.equal(one, other);
	end);

	it("may be left out", function ()
		assert.is_nil(items.advertised(st.presence()));
	end);
end);

describe("a letter", function ()
	it("is the stanza around the receiver, whose own is left as it was", function ()
		local stanza = st.message({ from = "a@school", to = "b@school" }, "5 < 6 & 'so'");
		local letter = items.letter({}, stanza);
		local sent = assert(require "util.xml".parse(letter.head .. "c@school" .. letter.tail));
		assert.are.equal("c@school", sent.attr.to);
		assert.are.equal("a@school", sent.attr.from);
		assert.are.equal("5 < 6 & 'so'", sent:get_child_text("body"));
		assert.are.equal("b@school", stanza.attr.to);
	end);
end);

describe("the content of an item", function ()
	-- So many that a table keeps them in another order if they come in another one.
	local function item(first, last, step, words)
		local attributes = {};
		for number = first, last, step do attributes["name" .. number] = "value" .. number; end
		return st.stanza("item", { id = words }):tag("properties", attributes):text_tag("property", words);
	end

	it("is the same in whatever order the attributes are kept, and whatever the item's name", function ()
		local one, other = item(1, 40, 1, "red"), item(40, 1, -1, "red");
		one.attr.id = "another";
		assert.are.equal(items.content_of(one), items.content_of(other));
	end);

	it("is another one with any other word, value, name or place", function ()
		local seen = {};
		for _, text in ipairs {
			"<i><a b='c'>d</a></i>", "<i><a b='c'>e</a></i>", "<i><a b='d'>d</a></i>", "<i><a c='c'>d</a></i>",
			"<i><e b='c'>d</e></i>", "<i><a b='c'><d/></a></i>", "<i><a b='c'><d/><d/></a></i>",
			"<i><a b='c'><d><d/></d></a></i>", "<i><a b='c' d='e'/></i>", "<i><a b='c'>d=e</a></i>", "<i><a><b/>c</a></i>",
		} do
			local content = items.content_of(require "util.xml".parse(text));
			assert.is_nil(seen[content], text);
			seen[content] = true;
		end
	end);

	it("of an item without a payload is none", function ()
		assert.is_nil(items.content_of(st.stanza("item", { id = "1" })));
		assert.is_nil(items.content_of(nil));
	end);
end);
