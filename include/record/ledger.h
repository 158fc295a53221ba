/* SPDX-License-Identifier: GPL-3.0-or-later
 * ledger.h - the database of what must not be lost: policy revisions, the administrator's password, sessions.
 *
 * SQLite, WAL, synchronous=FULL: what was acknowledged survives a power cut. A broken file is renamed aside.
 * Owns: its connection. Thread: any, calls are serialised inside. Fails: 0 or -errno (-ENOENT: no such thing).
 */
#ifndef RECORD_LEDGER_H
#define RECORD_LEDGER_H

#include "base/strbuf.h"

struct ledger;
int ledger_open(const char *path, struct ledger **out);
void ledger_close(struct ledger *l); /* NULL is fine */

struct ledger_revision {
	uint32_t number;
	uint64_t wall_ms;
	char actor[64];	 /* "file", "api:uid 0", "web" */
	char digest[17]; /* of the text, hexadecimal */
};
int ledger_last(struct ledger *l, struct ledger_revision *out);
int ledger_text(struct ledger *l, uint32_t revision, struct strbuf *text);
/* The same text as the last revision makes none, unless `again`: its lists may have changed, and a number names one
 * image. *number is the last one's then. */
int ledger_add(struct ledger *l, struct slice text, bool again, const char *actor, uint64_t wall_ms,
	uint32_t *number);
int ledger_remove(struct ledger *l, uint32_t number); /* takes back the last ledger_add() */
/* Newest first. */
int ledger_revisions(struct ledger *l, size_t max,
	void (*each)(void *user, const struct ledger_revision *r), void *user);

/* Small secrets by name ("password"). value is replaced; NULL value removes. */
int ledger_secret(struct ledger *l, const char *name, struct strbuf *value);
int ledger_secret_set(struct ledger *l, const char *name, const char *value);

struct ledger_session {
	char digest[65];	   /* SHA-256 of the cookie, hexadecimal */
	uint64_t born_ms, seen_ms; /* wall clock */
};
int ledger_session_put(
	struct ledger *l, const struct ledger_session *s); /* replaces; keeps the 64 latest */
int ledger_session_get(struct ledger *l, const char *digest, struct ledger_session *out);
int ledger_session_drop(struct ledger *l, const char *digest /* NULL = all */);

#endif
