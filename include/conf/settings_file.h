/* SPDX-License-Identifier: GPL-3.0-or-later
 * settings_file.h - reads the settings file that root obeys, and hands the settings to children.
 *
 * The file is read once, by the process that root or the service manager starts (supervisor, guard, route; durwardctl looks at it
 * too). The children get the values as a sealed memfd and open no file. So an edit, whole or half done, counts from the next start
 * on, and no child can have other settings than the rules in force.
 *
 * Owns: nothing after return, but the descriptor of settings_seal() is the caller's. Thread: one. Fails: 0 or -errno.
 */
#ifndef CONF_SETTINGS_FILE_H
#define CONF_SETTINGS_FILE_H

#include "base/strbuf.h"
#include "model/settings.h"

#define SETTINGS_DEFAULT_PATH "/etc/durward/settings"

/* path NULL: the default one, which may be missing; a named file may not. *said: what is wrong, a line each.
 * -EPERM not root's alone (base/trust.h): *out holds the defaults and nothing of the file. -EINVAL errors in it: *out
 * holds the lines that are right, and defaults. Other errors: the defaults. */
int settings_read(const char *path, struct settings *out, struct strbuf *said);

/* A memfd that nobody can change any more; the same program reads it (one build, so one layout). */
int settings_seal(const struct settings *s, int *fd);
/* -EPERM: not sealed; -EBADMSG: of another build, or not settings at all. */
int settings_unseal(int fd, struct settings *out);

#endif
