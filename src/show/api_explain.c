/* SPDX-License-Identifier: GPL-3.0-or-later
 * api_explain.c - the API of explain: what the policy in force would decide.
 *
 * For an address it finds the MAC as the dataplane would: in the neighbour table, else in the last record of it.
 * Owns: nothing. Thread: a worker. Fails: by the reply.
 */
#include <errno.h>
#include <stdlib.h>

#include "show/explain.h"
#include "show_int.h"

struct search {
	const struct addr *addr;
	struct mac *mac;
	bool found;
};

/* Devices come latest first. */
static void match(void *search, const struct controller_seen *d)
{
	struct search *s = search;

	if (s->found || !d->has_mac || !addr_eq(&d->addr, s->addr))
		return;
	*s->mac = d->mac;
	s->found = true;
}

static bool mac_of(void *user, const struct addr *a, struct mac *out)
{
	const struct request *r = user;
	struct search s = {.addr = a, .mac = out};

	if (controller_mac_of(r->show->controller, a, out))
		return true;
	controller_devices(r->show->controller, 0, match, &s);
	return s.found;
}

static size_t addrs_of(void *user, const struct mac *m, struct addr *out, size_t max)
{
	const struct request *r = user;

	return controller_addrs_of(r->show->controller, m, out, max);
}

void api_explain(struct request *r)
{
	struct explain_ask ask = {.who = request_arg(r, "who"),
		.name = request_arg(r, "name"),
		.addr = request_arg(r, "addr"),
		.proto = request_arg(r, "proto"),
		.port = request_arg(r, "port"),
		.kind = request_arg(r, "kind"),
		.to = request_arg(r, "to"),
		.at = request_arg(r, "at")};
	struct explain_seen seen = {.mac_of = mac_of,
		.addrs_of = addrs_of,
		.user = r,
		.settings = r->show->in->settings};
	struct explain_answer a = {0};
	struct controller_snapshot *image = controller_snapshot_get(r->show->controller);
	struct controller_status s;
	int rc;

	if (!image) {
		reply_problem(r, 503, "no policy is in force");
		return;
	}
	controller_status_get(r->show->controller, &s);
	rc = explain_answer(image->image, &ask, &seen, (int64_t)(s.now_ms / 1000), &a);
	if (rc == 0) {
		strbuf_str(&r->reply.body, a.json);
		reply_json(r, 200);
	} else if (rc == -EINVAL || rc == -ENOENT) {
		reply_problem(r, rc == -ENOENT ? 404 : 400, "%s", a.why);
	} else {
		reply_errno(r, rc, "explain");
	}
	explain_fini(&a);
	controller_snapshot_put(r->show->controller, image);
}
