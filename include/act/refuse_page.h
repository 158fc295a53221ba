/* SPDX-License-Identifier: GPL-3.0-or-later
 * refuse_page.h - the HTTP answers of the proxy path: the block page and the refusals of odd requests.
 *
 * The page is one small file without script, link or cookie. Every text is escaped, and a host is shown only if it consists of
 * letters, digits, '-', '.' (and '_'), because a browser shows this page in the origin of the refused site.
 *
 * Owns: nothing; appends to *out. Thread: any; pure. Fails: as strbuf does.
 * See: docs/design/decision.md "Refusing"; RFC 9110 15.5.4.
 */
#ifndef ACT_REFUSE_PAGE_H
#define ACT_REFUSE_PAGE_H

#include "base/strbuf.h"

struct refuse_page {
	struct slice host;    /* the name asked for; empty or not LDH: "this site" */
	struct slice who;     /* device or person as the policy names it; empty = not said */
	struct slice because; /* the rule's words; empty = a plain sentence instead */
	struct slice list;    /* name of the list that holds the name; empty = none */
	struct slice
		until; /* when it will be open again, as text ("Sunday 07:00"); empty = not said */
	struct slice
		reference; /* of the decision (model/reference.h), so that it is found in the log; empty = not said */
	bool head; /* the method was HEAD: no body */
};

void refuse_page_blocked(const struct refuse_page *p, struct strbuf *out); /* 403 */

enum refuse_http {
	REFUSE_HTTP_BAD_REQUEST = 400,
	REFUSE_HTTP_TIMEOUT = 408,
	REFUSE_HTTP_TOO_LARGE = 431,
	REFUSE_HTTP_BAD_GATEWAY = 502,
	REFUSE_HTTP_UNAVAILABLE = 503,
};
/* A short page in plain words; `head`: the method was HEAD. */
void refuse_page_error(enum refuse_http status, bool head, struct strbuf *out);

#endif
