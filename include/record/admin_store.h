/* SPDX-License-Identifier: GPL-3.0-or-later
 * admin_store.h - the database of what must not be lost: policy revisions, the ids that rules had, the administrator's password,
 * sessions.
 *
 * SQLite, WAL, synchronous=FULL: what was acknowledged survives a power cut. A file that cannot be opened (a full disk)
 * is tried again by whoever asks next, at most every ADMIN_STORE_RETRY_MS. A damaged file, one of a newer version, or one that
 * is gone where it should be, is left as it is and every call says so, until admin_store_set_aside(): a password is never
 * forgotten by accident.
 * Owns: its one connection. Thread: any, calls are serialised inside. Fails: 0 or -errno: -ENOENT no such thing; -EBADMSG
 * damaged, -EPROTONOSUPPORT a newer version, -ENODATA gone; -ENOSPC, -EROFS, -EACCES, -EIO, -EBUSY.
 */
#ifndef RECORD_ADMIN_STORE_H
#define RECORD_ADMIN_STORE_H

#include "base/strbuf.h"

enum { ADMIN_STORE_RETRY_MS = 2000 };

struct admin_store;
/* `born`: it was here before; a missing or empty file is -ENODATA then, not a new one. Fails with -ENOMEM only. */
int admin_store_open(const char *path, bool born, struct admin_store **out);
void admin_store_close(struct admin_store *l); /* NULL is fine */
/* Opens it again where it is not open, or tries whether it can be written again. 0, or -errno: what is wrong with it. */
int admin_store_tend(struct admin_store *l);
int admin_store_state(struct admin_store *l); /* the same, as of the last use */
const char *admin_store_words(int err);	      /* for people: "it is damaged" */
bool admin_store_needs_console(int err);      /* no retry will help: admin_store_set_aside() */
/* Renames a damaged, newer or lost file to PATH.damaged-TIME and begins a new one. -EEXIST: nothing is wrong with it. */
int admin_store_set_aside(struct admin_store *l);

struct admin_store_revision {
	uint32_t number;
	uint64_t wall_ms;
	char actor[64];	 /* "file", "api:uid 0", "web" */
	char digest[17]; /* of the text, hexadecimal */
	bool kept;	 /* false: it was in force, and its text could not be kept */
};
void admin_store_digest(struct slice text, char out[static 17]);
int admin_store_last(struct admin_store *l, struct admin_store_revision *out);
int admin_store_text(struct admin_store *l, uint32_t revision,
	struct strbuf *text); /* -ENOENT: also where it was not kept */
/* Keeps a revision, in the order of numbers (-EINVAL: a later one is there); text NULL: only that it was. Once more with
 * the same number and text is fine, with another text -EEXIST: a number names one text. */
int admin_store_add(
	struct admin_store *l, const struct admin_store_revision *r, const struct slice *text);
int admin_store_remove(
	struct admin_store *l, uint32_t number); /* takes back the last admin_store_add() */
/* Newest first. */
int admin_store_revisions(struct admin_store *l, size_t max,
	void (*each)(void *user, const struct admin_store_revision *r), void *user);

/* A rule that goes on under another id from a revision on: it was edited or renamed through the API. */
enum { ADMIN_STORE_RULE_ID = 64 };
struct admin_store_rule_move {
	uint32_t revision;
	char was[ADMIN_STORE_RULE_ID], became[ADMIN_STORE_RULE_ID];
};
/* All or none of them; the last 20,000 are kept. */
int admin_store_rules_moved(
	struct admin_store *l, const struct admin_store_rule_move *moves, size_t n);
/* What this id became last; -ENOENT: nothing else. */
int admin_store_rule_became(
	struct admin_store *l, const char *was, struct admin_store_rule_move *out);
/* Every id that the rule had before, and the revision from which on it had another; how many (<= max) in *n. */
int admin_store_rule_was(struct admin_store *l, const char *became,
	struct admin_store_rule_move *out, size_t max, size_t *n);

/* Small secrets by name ("password"). value is replaced; NULL value removes. */
int admin_store_secret(struct admin_store *l, const char *name, struct strbuf *value);
int admin_store_secret_set(struct admin_store *l, const char *name, const char *value);

struct admin_store_session {
	char digest[65];	   /* SHA-256 of the cookie, hexadecimal */
	uint64_t born_ms, seen_ms; /* wall clock */
};
int admin_store_session_put(struct admin_store *l,
	const struct admin_store_session *s); /* replaces; keeps the 64 latest */
int admin_store_session_get(
	struct admin_store *l, const char *digest, struct admin_store_session *out);
int admin_store_session_drop(struct admin_store *l, const char *digest /* NULL = all */);

#endif
