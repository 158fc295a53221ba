/* SPDX-License-Identifier: GPL-3.0-or-later
 * log.h - the daemon's own log: lines to standard error, with a "<N>" priority prefix (sd-daemon(3)) unless it is a terminal.
 *
 * Owns: the process's name. Thread: any (one write(2) a line). Fails: silently; a log line never stops anything.
 * The caller passes bytes from outside through strbuf_escaped() first.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LOG_ERROR_ = 3, LOG_WARN_ = 4, LOG_NOTE_ = 5, LOG_INFO_ = 6, LOG_DEBUG_ = 7 };

void log_init(const char *process,
	enum log_level max); /* process: static string, "supervisor", "dataplane", "controller" */
/* From now on a line that standard error has no room for is lost, and counted, instead of waited for: a pipe or a socket whose
 * reader stands still. For who must not wait. */
void log_never_wait(void);
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_ERROR_, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN_, __VA_ARGS__)
#define log_note(...)  log_line(LOG_NOTE_, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO_, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG_, __VA_ARGS__)

#endif
