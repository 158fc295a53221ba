/* SPDX-License-Identifier: GPL-3.0-or-later
 * api_explain.c - what would be decided, over the API.
 *
 * Owns: nothing. Thread: a worker. Fails: by the reply.
 */
#include "show_int.h"

void api_explain(struct request *r)
{
	reply_problem(r, 501, "Not yet", "use `durwardctl explain --policy FILE`");
}
