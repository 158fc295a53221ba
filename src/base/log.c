/* SPDX-License-Identifier: GPL-3.0-or-later
 * log.c - the daemon's own log: one line to standard error.
 *
 * Owns: the process's name and level. Thread: any (one write(2) a line, so lines do not mix).
 * Fails: silently. See: sd-daemon(3) for the "<N>" prefix.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static const char *who = "durward";
static enum log_level highest = LOG_INFO_;
static bool prefix;

void log_init(const char *process, enum log_level max)
{
	who = process;
	highest = max;
	prefix = !isatty(STDERR_FILENO);
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
	if (write(STDERR_FILENO, line, (size_t)n) < 0) {
		/* nowhere left to say so */
	}
	errno = saved;
}
