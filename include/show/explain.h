/* SPDX-License-Identifier: GPL-3.0-or-later
 * explain.h - tells what would be decided for WHO, and by which line: it takes words and gives JSON.
 *
 * The API, `durwardctl explain` and its batch mode use it; policy_eval() decides.
 *
 * Owns: explain_fini() frees the answer. Thread: any. Fails: 0; -EINVAL the question makes no sense, -ENOENT nobody of
 * that name (both with words in `why`); -ENOMEM.
 */
#ifndef SHOW_EXPLAIN_H
#define SHOW_EXPLAIN_H

#include "base/strbuf.h"
#include "decide/policy.h"
#include "model/settings.h"

/* Words as typed; NULL or "" = not given. `who` and one of name, addr are needed. */
struct explain_ask {
	const char *
		who; /* a device, person or group of the policy, an address, a MAC, unknown-devices */
	const char *name; /* host name */
	const char *addr; /* or: a flow without a name to this address */
	const char *
		proto; /* with a name: tls (default), quic, http; else tcp, udp, icmp, esp, a number */
	const char *port; /* "tcp/25", "udp/443" or a number that goes with proto */
	const char *kind; /* no-name, hidden, evasive */
	const char *to;	  /* with a name: the address it is reached at */
	const char *at;	  /* ISO 8601 with offset; else now_s */
};

/* What the daemon knows besides the policy. Each may be NULL. */
struct explain_seen {
	bool (*mac_of)(void *user, const struct addr *a, struct mac *out);
	size_t (*addrs_of)(void *user, const struct mac *m, struct addr *out, size_t max);
	void *user;
	const struct settings
		*settings; /* which ports are inspected and proxied; NULL = 443 and 80 */
	const struct policy_live *live; /* NULL: nothing is granted, used up or paused */
};

struct explain_answer {
	char *json;   /* one object, or an array of them for several devices */
	size_t n;     /* devices answered */
	bool blocked; /* at least one of them */
	char why[256];
};

int explain_answer(const struct image *img, const struct explain_ask *ask,
	const struct explain_seen *seen /* may be NULL */, int64_t now_s,
	struct explain_answer *out);
void explain_fini(struct explain_answer *a);

/* One answer's JSON (as above) in words for a terminal. false: not an answer. */
bool explain_words(const char *json, struct strbuf *out);
/* Whether an answer (one or several) says block for anybody. false: not an answer. */
bool explain_is_blocked(const char *json, bool *blocked);
/* {"error": why}, for a line of a batch. */
void explain_failure(const char *why, struct strbuf *out);

/* A question as one JSON object (a line of `explain --batch`). Fields point into *hold, which explain_ask_fini() frees.
 * false: not an object, or a field of the wrong type; why says which. */
struct explain_hold {
	void *json;
	char number[16];
};
bool explain_ask_read(struct slice line, struct explain_ask *out, struct explain_hold *hold,
	char why[static 256]);
void explain_ask_fini(struct explain_hold *hold);

#endif
