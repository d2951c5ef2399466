-- Prosody for Sugar laptops: what is the same on every school server.
-- Included by /etc/prosody/prosody.cfg.lua, which adds what differs. Part of the package prosody-sugar.

modules_enabled = {
	"disco"; "roster"; "saslauth"; "tls"; "posix";
	"pep"; -- colours, keys and activities of the laptops
	"register"; -- in-band registration
	"ping"; "time"; "uptime"; "version";
	"vcard"; -- names and pictures that some clients ask for
	"admin_shell"; -- prosodyctl shell, for the administrator on the machine itself
	"limits"; -- of what one connection may send
	"sugar_roster"; "sugar_register"; "sugar_replies"; "sugar_alive"; "sugar_expiry"; -- of this package
	"sugar_bounds"; "sugar_rooms"; "sugar_disco"; "sugar_memory";
}

-- No other servers, unless the school is of a federation (prosody.cfg.lua then says so); no messages kept for absent
-- laptops (they would only grow: a laptop that was given away never fetches them).
modules_disabled = { "s2s"; "s2s_auth_certs"; "offline" }

-- Laptops make their accounts themselves, a whole class at once behind one address: no throttle.
allow_registration = true
authentication = "internal_hashed"
-- The passwords are 160-bit hashes; more rounds (10000 is the default) protect nothing and cost an XO seconds.
default_iteration_count = 4096

-- One small file for each account, written when it is made: there is no database to wait for or to corrupt.
-- PEP items live in memory: laptops publish theirs at each login, and flash wears out. One for each node, as Sugar has.
default_storage = "internal"
storage = { pep = "memory"; pep_data = "memory" }
pep_service_cache_size = 5000
pep_max_items = 1

-- telepathy-gabble stands still after the stream features when GnuTLS >= 3.6 agrees on TLS 1.3. The laptops of the
-- first generations know nothing newer than TLS 1.0, which OpenSSL speaks only at security level 0; no client of
-- Sugar verifies certificates, so more than protection against listeners is not to be had from TLS anyway. None of them
-- takes up a former session either, so they are not given tickets for that. On a server that is on no LAN the role
-- presence asks for TLS 1.2.
local laptop_tls = {
	protocol = "tlsv1+";
	options = { "no_tlsv1_3"; "cipher_server_preference"; "no_ticket" };
	ciphers = "ECDHE+AES128+AESGCM:ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:RSA+AESGCM:RSA+AES:!aNULL:!eNULL:@SECLEVEL=0";
}
ssl = laptop_tls
c2s_direct_tls_ssl = laptop_tls

c2s_require_encryption = true
-- Who has not logged in by then only takes memory; a laptop itself waits for a minute and a half.
c2s_timeout = 120
c2s_ports = { 5222 }
c2s_direct_tls_ports = { 5223 }

-- A class that comes back at once after a power cut must find room in the queue (the default is 128). The roster's
-- module joins what is to be written, so nothing is to be gained by waiting for more.
network_settings = { tcp_backlog = 1024; nagle = false }

-- For each connection, not for each address: a class may be behind one. Much more than Sugar sends.
-- Another school's server tells of all its children over one connection.
limits = { c2s = { rate = "512kb/s"; burst = "4s" }; s2sin = { rate = "2048kb/s"; burst = "4s" } }

-- Incremental collection with the default threshold of 105 starts anew after every 5 % of growth: half of the CPU
-- under load. Nearly all that a school makes is text that is written at once, which this mode is made for.
gc = { mode = "generational" }

pidfile = "/run/prosody/prosody.pid"
