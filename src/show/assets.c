/* SPDX-License-Identifier: GPL-3.0-or-later
 * assets.c - serves the pages: those built in (web/build.mjs makes the table), or those of the folder `webroot` in development.
 *
 * A path that is no file and has no dot gives the first page, whose script does its own routing.
 * Owns: nothing. Thread: any. Fails: false, no such page.
 */
#include <stdio.h>
#include <string.h>

#include "assets_int.h"
#include "base/file.h"
#include "base/hash.h"
#include "show_int.h"

enum { FILE_MAX = 4 << 20 };

static const char *type_of(const char *path)
{
	static const struct {
		const char *tail, *type;
	} types[] = {
		{".html", "text/html; charset=utf-8"},
		{".js", "text/javascript; charset=utf-8"},
		{".mjs", "text/javascript; charset=utf-8"},
		{".css", "text/css; charset=utf-8"},
		{".json", "application/json"},
		{".webmanifest", "application/manifest+json"},
		{".svg", "image/svg+xml"},
		{".png", "image/png"},
		{".ico", "image/x-icon"},
		{".woff2", "font/woff2"},
		{".txt", "text/plain; charset=utf-8"},
	};
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++)
		if (strcmp(dot, types[i].tail) == 0)
			return types[i].type;
	return "application/octet-stream";
}

/* Letters, digits, - _ . / only, and no ".." : nothing climbs out of the folder. */
static bool is_plain(const char *path)
{
	return path[0] == '/' && !strstr(path, "..") && !strstr(path, "//") &&
	       strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./") ==
		       strlen(path);
}

static bool unchanged(struct request *r)
{
	const char *seen = request_header(r, "If-None-Match");

	if (!seen || !strstr(seen, r->reply.etag))
		return false;
	r->reply.status = 304;
	return true;
}

static bool from_folder(struct request *r, const char *path)
{
	char file[1024];
	int n = snprintf(file, sizeof file, "%s%s", r->show->in->webroot, path);

	if (n < 0 || (size_t)n >= sizeof file || file_read(file, FILE_MAX, &r->reply.body) < 0) {
		strbuf_fini(&r->reply.body);
		return false;
	}
	snprintf(r->reply.etag, sizeof r->reply.etag, "\"%016llx\"",
		(unsigned long long)hash_fnv(r->reply.body.s, r->reply.body.n, HASH_FNV_START));
	r->reply.status = 200;
	return true;
}

static bool built_in(struct request *r, const char *path)
{
	const char *accept = request_header(r, "Accept-Encoding");

	for (size_t i = 0; i < show_n_assets; i++) {
		const struct asset *a = &show_assets[i];
		if (strcmp(a->path, path) != 0)
			continue;
		r->reply.gzip = accept && strstr(accept, "gzip");
		snprintf(r->reply.etag, sizeof r->reply.etag, "\"%.16s%s\"", a->digest,
			r->reply.gzip ? "-gz" : "");
		r->reply.fixed = r->reply.gzip ? a->gz : a->raw;
		r->reply.n_fixed =
			(size_t)(r->reply.gzip ? a->gz_end - a->gz : a->raw_end - a->raw);
		r->reply.status = 200;
		return true;
	}
	return false;
}

static bool find(struct request *r, const char *path)
{
	bool found = r->show->in->webroot && *r->show->in->webroot ? from_folder(r, path)
								   : built_in(r, path);

	if (found)
		r->reply.type = type_of(path);
	return found;
}

bool assets_handle(struct request *r)
{
	bool found = is_plain(r->path) && r->path[1] && find(r, r->path);

	if (!found && !strchr(r->path, '.'))
		found = find(r, "/index.html");
	if (!found)
		return false;
	r->reply.page = true;
	if (unchanged(r)) {
		r->reply.fixed = "";
		r->reply.n_fixed = 0;
		r->reply.gzip = false;
	}
	return true;
}
