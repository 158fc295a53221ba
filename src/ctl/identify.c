/* SPDX-License-Identifier: GPL-3.0-or-later
 * identify.c - `durwardctl identify`: prints the names in captured traffic, one line a flow.
 *
 * It needs no daemon and no privilege. Owns: nothing. Thread: one.
 * Fails: EXIT_FAILED when a file could not be read (the others are), EXIT_USAGE.
 */
#include <stdio.h>
#include <string.h>

#include "capture_int.h"
#include "ctl/ctl.h"

struct printer {
	const struct ctl *ctl;
	const char *file;
	struct strbuf line;
};

static void packet(void *user, struct slice ip, uint64_t at_ms)
{
	capture_flows_packet(user, ip, at_ms);
}

static void end_text(const struct addr *a, uint16_t port, char out[static ADDR_TEXT + 8])
{
	char text[ADDR_TEXT];

	snprintf(out, ADDR_TEXT + 8, "%s %u", addr_format(a, text), port);
}

static void print_json(struct strbuf *b, const char *file, const struct capture_result *r)
{
	char src[ADDR_TEXT + 8], dst[ADDR_TEXT + 8];

	end_text(&r->src, r->sport, src);
	end_text(&r->dst, r->dport, dst);
	strbuf_str(b, "{\"file\":");
	capture_json(b, slice_str(file));
	strbuf_fmt(b, ",\"proto\":\"%s\",\"src\":\"%s\",\"dst\":\"%s\",\"names\":[%s]",
		app_proto_key(r->app), src, dst, strbuf_text(&r->names));
	strbuf_fmt(b,
		",\"result\":\"%s\",\"anomaly\":\"%s\",\"source\":\"%s\",\"alpn\":[%s],\"ech\":%s}"
		"\n",
		ident_kind_key(r->ident.kind), anomaly_key(r->ident.anomaly),
		ident_source_key(r->ident.source), strbuf_text(&r->alpn),
		r->ident.ech ? "true" : "false");
}

static void print_words(struct strbuf *b, const char *file, const struct capture_result *r)
{
	char src[ADDR_TEXT + 8], dst[ADDR_TEXT + 8];
	const char *names = strbuf_text(&r->names);

	end_text(&r->src, r->sport, src);
	end_text(&r->dst, r->dport, dst);
	strbuf_fmt(b, "%s: %-8s %s > %s  %s  %s", file, app_proto_key(r->app), src, dst,
		names[0] ? names : "-", ident_kind_key(r->ident.kind));
	if (r->ident.anomaly != ANOMALY_NOTHING)
		strbuf_fmt(b, ": %s", anomaly_text(r->ident.anomaly));
	strbuf_char(b, '\n');
}

static void print_flow(void *user, const struct capture_result *r)
{
	struct printer *p = user;

	strbuf_reset(&p->line);
	if (p->ctl->json)
		print_json(&p->line, p->file, r);
	else
		print_words(&p->line, p->file, r);
	fputs(strbuf_text(&p->line), stdout);
}

static bool read_one(const char *path, struct capture_flows *flows, struct printer *p)
{
	const char *slash = strrchr(path, '/');
	char failure[256] = "";
	bool ok = capture_read(path, packet, flows, failure);

	if (!ok)
		fprintf(stderr, "durwardctl: %s: %s\n", path, failure);
	p->file = slash ? slash + 1 : path;
	capture_flows_finish(flows, print_flow, p);
	return ok;
}

int ctl_identify(struct ctl *c, int argc, char **argv)
{
	struct capture_flows *flows;
	struct printer p = {.ctl = c};
	int status = EXIT_OK;

	if (argc < 2)
		return ctl_usage(argv[0], "which capture?");
	flows = capture_flows_new();
	if (!flows) {
		fputs("durwardctl: out of memory\n", stderr);
		return EXIT_FAILED;
	}
	for (int i = 1; i < argc; i++)
		if (!read_one(argv[i], flows, &p))
			status = EXIT_FAILED;
	strbuf_fini(&p.line);
	capture_flows_free(flows);
	return status;
}
