/* SPDX-License-Identifier: GPL-3.0-or-later
 * inherited.c - hands descriptors over exec by name.
 *
 * Owns: nothing. Thread: any. Fails: as base/inherited.h says.
 */
#include "base/inherited.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

bool inherited_add(struct inherited *h, int fd, const char *fmt, ...)
{
	struct inherited_item *i = &h->item[h->n];
	va_list ap;
	int n;

	if (h->n == INHERITED_MAX || fd < 0)
		return false;
	va_start(ap, fmt);
	n = vsnprintf(i->name, sizeof i->name, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof i->name)
		return false;
	i->fd = fd;
	h->n++;
	return true;
}

int inherited_get(const struct inherited *h, const char *fmt, ...)
{
	char name[INHERITED_NAME];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof name, fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < h->n; i++)
		if (strcmp(h->item[i].name, name) == 0)
			return h->item[i].fd;
	return -1;
}

bool inherited_read(struct inherited *h, const char *argument)
{
	const char *eq = strchr(argument, '=');
	char *end;
	long fd;

	if (!eq || eq == argument)
		return false;
	fd = strtol(eq + 1, &end, 10);
	if (end == eq + 1 || *end || fd < 3 || fd > 1 << 20 || fd_set_cloexec((int)fd, true) != 0)
		return false;
	return inherited_add(h, (int)fd, "%.*s", (int)(eq - argument), argument);
}

char **inherited_argv(const struct inherited *h, const char *const *first)
{
	size_t n = 0, cap = 2 * h->n + 1;
	char **argv;

	while (first[n])
		n++;
	argv = calloc(n + cap, sizeof *argv);
	if (!argv)
		return NULL;
	for (size_t i = 0; i < n; i++)
		argv[i] = (char *)(uintptr_t)first[i];
	for (size_t i = 0; i < h->n; i++) {
		char text[INHERITED_NAME + 16];

		snprintf(text, sizeof text, "%s=%d", h->item[i].name, h->item[i].fd);
		argv[n++] = (char *)(uintptr_t) "--fd";
		argv[n] = strdup(text);
		if (!argv[n++] || fd_set_cloexec(h->item[i].fd, false) != 0)
			return NULL;
	}
	return argv;
}
