/* SPDX-License-Identifier: GPL-3.0-or-later
 * log.c - the daemon's own log: one line to standard error.
 *
 * Owns: the process's name and level. Thread: any (one write(2) a line, so lines do not mix).
 * Fails: silently. See: sd-daemon(3) for the "<N>" prefix.
 */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static const char *who = "durward";
static enum log_level highest = LOG_INFO_;
static bool prefix, never_wait;
static atomic_uint lost; /* lines, since the last one that was written */

void log_init(const char *process, enum log_level max)
{
	who = process;
	highest = max;
	prefix = !isatty(STDERR_FILENO);
}

void log_never_wait(void)
{
	never_wait = true;
}

/* A pipe has room for a page when it says that it has any, and a line is shorter. */
static bool has_room(void)
{
	struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};

	return !never_wait || (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT));
}

static void put(const char *line, int n)
{
	if (!has_room() || write(STDERR_FILENO, line, (size_t)n) < 0)
		atomic_fetch_add(&lost, 1);
}

static void put_lost(void)
{
	char line[128];
	unsigned n = has_room() ? atomic_exchange(&lost, 0) : 0;
	int size;

	if (n == 0)
		return;
	size = prefix ? snprintf(line, sizeof line, "<%d>", (int)LOG_WARN_) : 0;
	size += snprintf(line + size, sizeof line - (size_t)size,
		"%s: %u lines of this log were lost, nobody took them\n", who, n);
	put(line, size);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[1024];
	const int room = (int)sizeof line - 1; /* one for the newline */
	int n, m, saved = errno;
	va_list ap;

	if (level > highest)
		return;
	n = prefix ? snprintf(line, (size_t)room, "<%d>%s: ", (int)level, who)
		   : snprintf(line, (size_t)room, "%s: ", who);
	if (n < 0 || n >= room)
		return;
	va_start(ap, fmt);
	m = vsnprintf(line + n, (size_t)(room - n), fmt, ap);
	va_end(ap);
	if (m < 0)
		return;
	n = m >= room - n ? room - 1 : n + m;
	line[n++] = '\n';
	put_lost();
	put(line, n);
	errno = saved;
}
