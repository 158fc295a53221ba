/* SPDX-License-Identifier: GPL-3.0-or-later
 * folder.h - a temporary folder for tests that write files, and rows to write.
 */
#ifndef TEST_RECORD_FOLDER_H
#define TEST_RECORD_FOLDER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/row.h"

static char folder[64];

static inline int folder_make(void **state)
{
	strcpy(folder, "/tmp/durward-test-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static inline const char *in_folder(const char *name)
{
	static char path[512];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

/* Number of files whose name contains `part`. */
static inline int count_files(const char *part)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d)))
		n += strstr(e->d_name, part) != NULL;
	closedir(d);
	return n;
}

static inline int remove_all(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char *path = NULL;

		if (e->d_name[0] == '.' || asprintf(&path, "%s/%s", dir, e->d_name) < 0)
			continue;
		if (unlink(path) < 0)
			remove_all(path); /* a folder */
		free(path);
	}
	closedir(d);
	return rmdir(dir);
}

static inline int folder_remove(void **state)
{
	return remove_all(folder);
}

static inline struct event event_of(const char *name, enum action action)
{
	static const uint8_t client[] = {192, 0, 2, 2}, origin[] = {198, 51, 100, 2};
	struct event e = {.kind = EVENT_DECISION, .id = 1, .wall_ms = 1700000000000u};

	e.flow = (struct flow){.src = addr_v4(client),
		.dst = addr_v4(origin),
		.sport = 40000,
		.dport = 443,
		.proto = 6,
		.path = PATH_INSPECT};
	e.ident = (struct ident){
		.kind = IDENT_NAME, .source = SOURCE_SNI, .app = APP_TLS, .packet = 3};
	snprintf(e.ident.name, sizeof e.ident.name, "%s", name);
	e.ident.name_len = (uint8_t)strlen(e.ident.name);
	e.verdict = (struct verdict){.action = action,
		.device = NO_DEVICE,
		.list = NO_LIST,
		.rule_line = 7,
		.revision = 3};
	return e;
}

static inline struct row row_of(uint64_t id, const char *name, enum action action)
{
	struct row r = {.id = id, .event = event_of(name, action)};

	snprintf(r.device, sizeof r.device, "%s", "mia-phone");
	snprintf(r.rule, sizeof r.rule, "%s", "block ads");
	snprintf(r.because, sizeof r.because, "%s", "Advertising");
	snprintf(r.list, sizeof r.list, "%s", "ads");
	return r;
}

#endif
