/* SPDX-License-Identifier: GPL-3.0-or-later
 * tbl/event_columns.h - a recorded event, one row each of its columns and JSON members (X-macro, no include guard:
 * included many times). A column added is one row here, besides the place that gives the field of struct row its value.
 *
 * EVENT_COLUMN(SINCE, column, STORED, FIELD, LIMIT, "member", FORM, "help")
 *   SINCE   the version of events.db that brought it: a new column has the next number. Rows that have landed keep SINCE,
 *           column and STORED for ever: files in the field were made by them (test_migrate.c)
 *   STORED  ID, NUMBER (unsigned, any width), FLAG (bool), TEXT, SHARED (a text that repeats: its number in the table
 *           `text`), ADDR, MAC (NULL where the flow has none), KEY (a byte that counts up to LIMIT, read as 0 beyond it),
 *           CLASS (computed when written, never read: whose rows go first). A row older than its column reads as 0 or ""
 *   FIELD   of struct row (model/row.h)
 *   FORM    how it stands in JSON: write_FORM() of show/rows.c. part: "member" is written by another row and shows this
 *           one, too; hidden: no part of the API
 * EVENT_MEMBER(SINCE, "member", FORM, "help")      in JSON only: made of other columns
 *
 * Members stand in JSON in this order. Names are the API's contract: under /api/v1 none is taken away or changes its
 * meaning, new ones come with a new SINCE; the greatest SINCE is the version that the API tells.
 * The file's create statement and migration, its writing and reading (record/columns.c), JSON and openapi.json
 * (show/rows.c) and durward-api(7) come from these rows.
 */
EVENT_COLUMN(1, id, ID, id, 0, "id", number, "of the record: it grows, and none is used twice")
EVENT_COLUMN(1, wall_ms, NUMBER, event.wall_ms, 0, "time", moment, "when it was decided, UTC")
EVENT_COLUMN(3, count, NUMBER, count, 0, "count", count, "how many decisions the row stands for")
EVENT_COLUMN(3, last_ms, NUMBER, last_ms, 0, "last", last,
	"when the last of them was decided; null for one decision")
EVENT_MEMBER(3, "reference", reference, "the word that a block page shows for this decision")
EVENT_COLUMN(1, device, SHARED, device, 0, "who", text, "the device; null: none of the policy")
EVENT_COLUMN(1, mac, MAC, event.flow.mac, 0, "mac", mac, "its MAC address, where it was seen")
EVENT_COLUMN(1, src, ADDR, event.flow.src, 0, "src", address, "the client's address")
EVENT_COLUMN(1, sport, NUMBER, event.flow.sport, 0, "sport", number,
	"the client's port; 0 where the protocol has none")
EVENT_COLUMN(1, dst, ADDR, event.flow.dst, 0, "dst", address, "the address that was asked for")
EVENT_COLUMN(1, dport, NUMBER, event.flow.dport, 0, "dport", number, "the port that was asked for")
EVENT_COLUMN(1, proto, NUMBER, event.flow.proto, 0, "proto", protocol,
	"tcp, udp, another IP protocol, or its number")
EVENT_COLUMN(1, path, KEY, event.flow.path, PATH_PROXY + 1, "path", path,
	"the way through the gateway: inspect, proxy or other")
EVENT_COLUMN(
	1, app, KEY, event.ident.app, APP_PROTOS, "app", app, "the protocol that was recognised")
EVENT_COLUMN(1, name, TEXT, event.ident.name, 0, "name", text, "the host name that was read")
EVENT_COLUMN(1, kind, KEY, event.ident.kind, IDENT_KINDS, "kind", kind,
	"what was read: name, none, opaque, evasive and others")
EVENT_COLUMN(1, source, KEY, event.ident.source, IDENT_SOURCES, "source", source,
	"where the name stood: sni, host, quic or none")
EVENT_COLUMN(1, odd, KEY, event.ident.anomaly, ANOMALIES, "anomaly", anomaly,
	"what was odd about it; else null")
EVENT_MEMBER(1, "anomaly_text", anomaly_text, "the same for people")
EVENT_COLUMN(2, packet, NUMBER, event.ident.packet, 0, "anomaly_at", anomaly_at,
	"which packet of the client, or which request, showed what was odd")
EVENT_COLUMN(
	1, ech, FLAG, event.ident.ech, 0, "ech", flag, "whether an encrypted hello was offered")
EVENT_COLUMN(
	1, alpn, TEXT, event.ident.alpn, 0, "alpn", text, "the protocols that were offered in TLS")
EVENT_COLUMN(
	1, action, KEY, event.verdict.action, ACTION_WAIT + 1, "verdict", action, "allow or block")
EVENT_COLUMN(1, by, KEY, event.verdict.by, BY_HAND + 1, "by", by,
	"what decided: rule, setting, otherwise, fail or self")
EVENT_COLUMN(1, refuse, KEY, event.verdict.refuse, REFUSE_PAGE + 1, "", hidden, "")
EVENT_COLUMN(1, tcp_instead, FLAG, event.verdict.tcp_instead, 0, "tcp_instead", flag,
	"whether QUIC was refused so that TCP is tried")
EVENT_COLUMN(1, rule_line, NUMBER, event.verdict.rule_line, 0, "rule", rule,
	"the line that decided: its number in the policy of that revision, and its text")
EVENT_COLUMN(1, rule, SHARED, rule, 0, "rule", part, "")
EVENT_COLUMN(4, rule_id, TEXT, rule_id, 0, "rule_id", text,
	"the id of that rule, which stays when lines move; null where none was given")
EVENT_MEMBER(5, "rule_line", rule_line,
	"the line where that rule stands in the policy in force; null: nowhere")
EVENT_COLUMN(1, because, SHARED, because, 0, "because", text, "the reason that the line gives")
EVENT_COLUMN(
	1, list, SHARED, list, 0, "list", list, "the list that the name is of, and the line there")
EVENT_COLUMN(1, list_line, NUMBER, event.verdict.list_line, 0, "list", part, "")
EVENT_COLUMN(1, watch_line, NUMBER, event.verdict.watch_line, 0, "watch", watch,
	"the watch line that would have decided: its number and its text")
EVENT_COLUMN(1, watch, SHARED, watch, 0, "watch", part, "")
EVENT_COLUMN(5, watch_id, TEXT, watch_id, 0, "watch_id", text, "the id of that watch line")
EVENT_COLUMN(1, watch_action, KEY, event.verdict.watch_action, ACTION_WAIT + 1, "watch_verdict",
	watch_verdict, "what the watch line says")
EVENT_COLUMN(1, revision, NUMBER, event.verdict.revision, 0, "revision", number,
	"the revision of the policy that decided")
EVENT_COLUMN(1, until_s, NUMBER, event.verdict.until_s, 0, "until", until,
	"when the hours that matched end; null without hours")
EVENT_COLUMN(1, ended, FLAG, ended, 0, "bytes_up", part, "")
EVENT_COLUMN(1, up, NUMBER, event.bytes_up, 0, "bytes_up", once_ended,
	"bytes from the client; null until the flow has ended")
EVENT_COLUMN(1, down, NUMBER, event.bytes_down, 0, "bytes_down", once_ended,
	"bytes to the client; null until the flow has ended")
EVENT_COLUMN(1, duration, NUMBER, event.duration_ms, 0, "duration_ms", once_ended,
	"how long the flow was; null until it has ended")
EVENT_COLUMN(3, client, CLASS, event.flow.src, 0, "", hidden, "")
