/* SPDX-License-Identifier: GPL-3.0-or-later
 * first.c - what the supervisor waits for before it opens anything: its lock, and what `fail` says.
 *
 * Owns: struct first of the supervisor. Thread: the supervisor's. Fails: never; a failure is an event.
 */
#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "supervisor_int.h"

static void said(struct supervisor *su, enum boot_guard_word word)
{
	supervisor_post(su, (struct supervisor_event){.what = ON_FAIL_SAID, .word = word});
}

static void forget(struct supervisor *su)
{
	loop_del(&su->first.read);
	su->first.read.fd = -1;
}

static void on_read(struct watch *w, uint32_t events)
{
	struct supervisor *su = w->user;

	(void)events;
	forget(su);
	said(su, boot_guard_answer(&su->first.reader));
}

void first_open(struct supervisor *su)
{
	su->first.reader = (struct boot_guard_reader){.pidfd = -1};
	su->first.read = (struct watch){.fd = -1, .on_event = on_read, .user = su};
}

void first_lock(struct supervisor *su, bool last)
{
	supervisor_post(
		su, (struct supervisor_event){.what = ON_LOCK, .status = alone_take(su, last)});
}

void first_ask(struct supervisor *su)
{
	struct priv_user reader = {.uid = su->child[SUPERVISOR_CONTROLLER].uid,
		.gid = su->child[SUPERVISOR_CONTROLLER].gid};
	int rc = boot_guard_begin(su->s, &reader, &su->first.reader);

	su->first.read.fd = su->first.reader.pidfd;
	if (rc == 0)
		rc = loop_add(su->loop, &su->first.read, EPOLLIN);
	if (rc == 0)
		return;
	first_drop(su);
	log_warn("what `fail` says could not be read: taken as closed");
	said(su, BOOT_GUARD_CLOSED);
}

void first_drop(struct supervisor *su)
{
	forget(su);
	boot_guard_drop(&su->first.reader);
}
