/* SPDX-License-Identifier: GPL-3.0-or-later
 * ledger.h - the database of what must not be lost: policy revisions, the administrator's password, sessions.
 *
 * SQLite, WAL, synchronous=FULL: what was acknowledged survives a power cut. A file that cannot be opened (a full disk)
 * is tried again by whoever asks next, at most every LEDGER_RETRY_MS. A damaged file, one of a newer version, or one that
 * is gone where it should be, is left as it is and every door says so, until ledger_set_aside(): a password is never
 * forgotten by accident.
 * Owns: its one connection. Thread: any, calls are serialised inside. Fails: 0 or -errno: -ENOENT no such thing; -EBADMSG
 * damaged, -EPROTONOSUPPORT a newer version, -ENODATA gone; -ENOSPC, -EROFS, -EACCES, -EIO, -EBUSY.
 */
#ifndef RECORD_LEDGER_H
#define RECORD_LEDGER_H

#include "base/strbuf.h"

enum { LEDGER_RETRY_MS = 2000 };

struct ledger;
/* `born`: it was here before; a missing or empty file is -ENODATA then, not a new one. Fails with -ENOMEM only. */
int ledger_open(const char *path, bool born, struct ledger **out);
void ledger_close(struct ledger *l); /* NULL is fine */
/* Opens it again where it is not open, or tries whether it can be written again. 0, or -errno: what is wrong with it. */
int ledger_tend(struct ledger *l);
int ledger_state(struct ledger *l); /* the same, as of the last use */
const char *ledger_words(int err);  /* for people: "it is damaged" */
bool ledger_needs_console(int err); /* no retry will help: ledger_set_aside() */
/* Renames a damaged, newer or lost file to PATH.damaged-TIME and begins a new one. -EEXIST: nothing is wrong with it. */
int ledger_set_aside(struct ledger *l);

struct ledger_revision {
	uint32_t number;
	uint64_t wall_ms;
	char actor[64];	 /* "file", "api:uid 0", "web" */
	char digest[17]; /* of the text, hexadecimal */
	bool kept;	 /* false: it was in force, and its text could not be kept */
};
void ledger_digest(struct slice text, char out[static 17]);
int ledger_last(struct ledger *l, struct ledger_revision *out);
int ledger_text(struct ledger *l, uint32_t revision,
	struct strbuf *text); /* -ENOENT: also where it was not kept */
/* Keeps a revision, in the order of numbers (-EINVAL: a later one is there); text NULL: only that it was. Once more with
 * the same number and text is fine, with another text -EEXIST: a number names one text. */
int ledger_add(struct ledger *l, const struct ledger_revision *r, const struct slice *text);
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
