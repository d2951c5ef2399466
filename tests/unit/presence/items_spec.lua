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

describe("what is published", function ()
	local NAMES = { "name", "type", "room", "activity", "node", "color", "key", "xmlns" };

	local function item(first, last, step, text)
		local attributes = {};
		for i = first, last, step do attributes[NAMES[i]] = tostring(i); end
		return st.stanza("item"):tag("properties", attributes):text_tag("property", text):reset();
	end

	it("is the same in whatever order its attributes were written", function ()
		assert.are.equal(items.payload(item(1, #NAMES, 1, "x")), items.payload(item(#NAMES, 1, -1, "x")));
	end);

	it("is another with another attribute or text", function ()
		local known = items.payload(item(1, #NAMES, 1, "x"));
		assert.are_not.equal(known, items.payload(item(1, #NAMES, 1, "y")));
		assert.are_not.equal(known, items.payload(item(1, #NAMES - 1, 1, "x")));
	end);

	it("may be nothing", function ()
		assert.is_nil(items.payload(nil));
		assert.is_nil(items.payload(st.stanza("item")));
	end);
end);
