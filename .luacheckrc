-- Prosody's modules run in Lua 5.4 with the host's module API as globals.
std = "lua54"
max_line_length = 120
files["packages/prosody-sugar/modules"] = {
	read_globals = { "prosody" },
	globals = { "module" },
}
files["packages/prosody-sugar/config"] = { global = false }
files["tests/unit/presence"] = { std = "+busted" }
