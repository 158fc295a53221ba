/* SPDX-License-Identifier: GPL-3.0-or-later
 * tbl/settings.h - every setting of /etc/durward/settings, one row each (X-macro, included many times).
 *
 * SETTING(TYPE, field, "name", "default", min, max, "help")
 *   TEXT   a word, at most 255 bytes        NUMBER  unsigned, min..max        SWITCH  on | off
 *   MASK   hexadecimal                      PORTS   ports and ranges, "none"  WORDS   one or more words
 *   SOURCE client | gateway                 UDPPORTS as PORTS, or all-udp
 */
#ifdef SETTING
SETTING(TEXT, policy, "policy", "/etc/durward/house/policy", 0, 0,
	"the policy file; the controller may write its folder, so nothing that root obeys lies "
	"there")
SETTING(TEXT, state_dir, "state-dir", "/var/lib/durward", 0, 0,
	"events, revisions, the last good policy")
SETTING(TEXT, run_dir, "run-dir", "/run/durward", 0, 0, "the API socket, the rules' parameters")
SETTING(TEXT, rules_script, "rules-script", "", 0, 0, "durward-rules; empty: the installed one")
SETTING(TEXT, dataplane_user, "dataplane-user", "durward-dataplane", 0, 0,
	"user of the dataplane (a name or a number)")
SETTING(TEXT, controller_user, "controller-user", "durward", 0, 0,
	"user of the controller (a name or a number)")
SETTING(WORDS, client_interfaces, "client-interfaces", "auto", 0, 0,
	"interfaces towards the clients, checked to be there; auto: all but the uplinks. What "
	"comes from anywhere but an "
	"uplink is judged, named here or not")
SETTING(WORDS, uplink_interfaces, "uplink-interfaces", "auto", 0, 0,
	"interfaces towards the internet; auto: those of a default route (of any table, a VPN's "
	"too) that "
	"client-interfaces does not name")
SETTING(PORTS, inspect_tcp, "inspect-tcp", "80 443", 0, 0,
	"TCP ports whose names (TLS, plain HTTP) are read as packets pass (NFQUEUE)")
SETTING(PORTS, starttls_tcp, "starttls-tcp", "21 25 110 143 389 587 3306 5222 5432", 0, 0,
	"TCP ports where TLS may begin behind a cleartext preamble (STARTTLS): inspected likewise")
SETTING(UDPPORTS, inspect_udp, "inspect-udp", "443", 0, 0,
	"UDP ports whose QUIC names are read as packets pass; all-udp: every one")
SETTING(PORTS, proxy_tcp, "proxy-tcp", "none", 0, 0,
	"TCP ports that the proxy takes over (TPROXY): for `source gateway`, and where a "
	"connection's two ends must not be one. "
	"The inspect path, which is the default for plain HTTP, too, judges each request as well, "
	"leaves the gateway's INPUT "
	"rules, captive portals and routing marks alone, and costs less. What is not diverted on "
	"such a port is inspected")
SETTING(SOURCE, source, "source", "client", 0, 0, "address that servers see on proxied connections")
SETTING(NUMBER, workers, "workers", "0", 0, 64, "threads of the dataplane; 0: one a core")
SETTING(MASK, mark_mask, "mark-mask", "0xff000000", 0, 0,
	"bits of the packet mark that are ours: 8 neighbours")
SETTING(NUMBER, queue_first, "queue-first", "4400", 0, 65000, "first NFQUEUE number")
SETTING(NUMBER, listen_port, "listen-port", "4480", 1, 65535, "port of the proxy's own listener")
SETTING(NUMBER, route_table, "route-table", "4480", 1, 65535, "routing table for diverted packets")
SETTING(NUMBER, route_priority, "route-priority", "4480", 2, 32764,
	"priority of its rule (one below and one above are used, too)")
SETTING(NUMBER, hold_priority, "hold-priority", "10", 1, 32763,
	"first of three priorities of the rules that refuse, with fail closed, what went past our "
	"rules")
SETTING(NUMBER, hello_deadline_s, "hello-deadline", "10", 1, 300,
	"seconds for a complete hello or request head; then the flow is evasive")
SETTING(NUMBER, hello_limit, "hello-limit", "65536", 2048, 65536,
	"bytes of a flow's hello or request head at most; beyond, the flow is evasive")
SETTING(NUMBER, crypto_limit, "crypto-limit", "16384", 2048, 16384,
	"bytes of a flow's QUIC hellos at most; beyond, the flow is evasive")
SETTING(NUMBER, flow_limit, "flow-limit", "65536", 64, 4194304,
	"undecided or refused flows held at once, and as many allowed ones remembered, shared out "
	"to the workers")
SETTING(NUMBER, client_quota, "client-quota", "25", 1, 25,
	"percent of these that one client may hold undecided; beyond, its flows are evasive")
SETTING(NUMBER, idle_s, "idle-timeout", "3600", 10, 604800,
	"seconds after which an idle relay ends")
SETTING(WORDS, web_listen, "web-listen", "127.0.0.1:8480", 0, 0,
	"addresses of the web UI (status shows those that cannot be had yet); none: no UI")
SETTING(WORDS, web_names, "web-names", "", 0, 0,
	"host names under which browsers may reach the UI, besides its addresses")
SETTING(TEXT, webroot, "webroot", "", 0, 0, "serve the UI from this folder (development)")
SETTING(NUMBER, events_rows, "events-rows", "1000000", 1000, 100000000,
	"events kept at most; beyond, the oldest of whoever has most of them go")
SETTING(NUMBER, events_days, "events-days", "30", 1, 3650, "days that events are kept")
SETTING(SWITCH, policy_edit, "policy-edit", "on", 0, 0, "whether the UI may change the policy file")
SETTING(NUMBER, log_level, "log-level", "6", 3, 7, "3 errors .. 6 information, 7 everything")
#endif
