/* SPDX-License-Identifier: GPL-3.0-or-later
 * rules.h - runs iptables/durward-rules and writes the parameters it reads.
 *
 * The parameter file has one `KEY VALUE...` a line, and nothing else; ports are "443,8000-8010" or "none". The
 * script reads it strictly:
 *
 *     mark-mask 0xff000000          queue-first 4400        queue-count 2
 *     listen-port 4480              inspect-tcp 443         inspect-udp 443        proxy-tcp 80
 *     uplinks wan ppp0|none         client-interfaces lan0 lan1|none               own-nets 192.0.2.0/24 2001:db8::/64|none
 *     bridges lan=aa:bb:cc:dd:ee:ff|none                    catch-all yes|no        fail open|closed        hold yes|no
 *     run-dir /run/durward          route-table 4480        route-priority 4480    hold-priority 10
 *
 * Owns: nothing. Thread: any, one at a time for one gateway (the script itself takes iptables' lock);
 * no other thread may wait for any child meanwhile, nor may SIGCHLD be ignored.
 * Fails: 0 or -errno; the script's own failure is in struct rules_result.
 */
#ifndef NETSETUP_RULES_H
#define NETSETUP_RULES_H

#include <stddef.h>
#include <sys/types.h>

#include "model/settings.h"
#include "netsetup/route.h"

struct rules_params {
	const struct settings *settings;
	uint32_t queues;		 /* NFQUEUEs from settings->queue_first on */
	const struct route_sides *sides; /* which interfaces lead where */
	bool catch_all;			 /* other flows can be refused: queue their first packets */
	bool fail_open;
	bool hold; /* no dataplane is there yet, or any more: new connections to inspected ports wait */
};

/* Where `make install` put the script: ../lib/durward/durward-rules beside this program's own folder, so that one build
 * serves every PREFIX and DESTDIR. "" when the program's path cannot be told. See proc(5), /proc/self/exe. */
void rules_script_installed(char *out, size_t size);

int rules_params_write(const char *path, const struct rules_params *p); /* atomically, mode 0644 */

enum rules_verb {
	RULES_VERB_UP,
	RULES_VERB_DOWN,
	RULES_VERB_FAILED,
	RULES_VERB_STATUS,
	RULES_VERB_CHECK, /* exit 0 as loaded, 3 taken away by the script itself, 5 changed by others */
	RULES_VERB_PRINT
};

enum { RULES_TAIL = 2048 };
struct rules_result {
	int status; /* exit status; 128 + signal; 124 when it took longer than allowed and was killed */
	char tail
		[RULES_TAIL]; /* the last bytes it said (stdout and stderr), terminated; from outside: escape it */
};

/* Executes `script VERB --params PATH` with an empty environment but PATH and LC_ALL, stdin /dev/null, no other descriptor
 * than those without CLOEXEC, and waits for its end. */
int rules_run(const char *script, enum rules_verb verb, const char *params_path,
	uint32_t timeout_ms, struct rules_result *out);

/* The same for who cannot wait: rules_start(); rules_collect() whenever `out` is readable; rules_end() when pidfd is, also
 * after rules_kill(). */
struct rules_job {
	pid_t pid;	/* 0 = none */
	int pidfd, out; /* for a loop; -1 = none */
	size_t have;	/* bytes in result.tail */
	bool killed;
	struct rules_result result;
};
int rules_start(
	const char *script, enum rules_verb verb, const char *params_path, struct rules_job *job);
bool rules_collect(struct rules_job *job); /* never blocks; false: nobody can say more */
void rules_kill(struct rules_job *job);	   /* it took too long: with all that it started */
/* Reaps it (waits, if it has not ended) and closes; job->result is what came of it. */
int rules_end(struct rules_job *job);
int rules_wait(struct rules_job *job,
	uint32_t timeout_ms); /* until it ended, or kills it; as rules_end() */

#endif
