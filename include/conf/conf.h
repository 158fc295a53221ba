/* SPDX-License-Identifier: GPL-3.0-or-later
 * conf.h - reads a policy text (durward-policy(5)) and reports all errors, each with its place.
 *
 * Owns: nothing; the result lives in `mem`. Thread: any; pure (touches no file: a list's content is the caller's to
 * read). Fails: false when there is at least one error in *d; warnings alone are true. *out is usable only when true.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include "base/arena.h"
#include "base/diag.h"
#include "model/conf.h"

bool conf_parse(struct slice text, struct arena *mem, struct conf *out, struct diag *d);

#endif
