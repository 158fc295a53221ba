/* SPDX-License-Identifier: GPL-3.0-or-later
 * policy.h - decides about a flow. Both paths, explain, block page, dashboard and identify all call policy_eval().
 *
 * Owns: nothing. Thread: any; pure (time is an argument). Fails: never; a verdict always results.
 */
#ifndef DECIDE_POLICY_H
#define DECIDE_POLICY_H

#include "decide/image.h"
#include "decide/live.h"
#include "model/conf.h"
#include "model/flow.h"
#include "model/ident.h"
#include "model/verdict.h"

enum { WHO_ADDRS = 16 };
/* Who asks: what the packet showed and what else is known of the same device (who/devices.h). */
struct policy_who {
	bool has_mac;
	struct mac mac;
	struct addr addrs[WHO_ADDRS]; /* addrs[0] = the packet's source */
	size_t n_addrs;
	/* A flow that entered by an uplink: it is no device's, and no unknown one's (durward-settings(5),
	 * uplink-interfaces); mac, if any, is that of the device that it goes to: the verdict names it. */
	bool outside;
	int32_t device; /* explain only: this device index whatever mac and addrs say; -1 = find it */
};

enum policy_stage {
	STAGE_FIRST, /* first packet of a flow on PATH_OTHER: no name will come. On PATH_INSPECT and PATH_PROXY a refusal
	              * waits for the name: the verdict is ACTION_WAIT (docs/design/decision.md). */
	STAGE_NAMED, /* ident is final (any kind but PENDING) */
};

struct policy_query {
	struct policy_who who;
	struct flow
		flow; /* proto, dst, dport, path count; dst all zero = not known (explain without `to`) */
	const struct ident *ident; /* STAGE_NAMED; ignored at STAGE_FIRST */
	uint32_t
		member; /* explain only: 1 + a set, of which some name is meant that nothing else names; 0 = ident's name */
	enum policy_stage stage;
	int64_t now_s; /* UTC */
};

enum trace_result {
	TRACE_WHO,	  /* how the client was identified (text) */
	TRACE_NAME,	  /* the name and where it was read */
	TRACE_SKIP_BLOCK, /* a `for` that does not contain the client */
	TRACE_NO_MATCH,	  /* a rule whose WHAT does not match */
	TRACE_NO_HOURS,	  /* ... matches, but not at this hour */
	TRACE_NO_ADDRESS, /* a rule by address, and no address was given */
	TRACE_WATCH,	  /* a watch line that matches: counted, the walk goes on */
	TRACE_SETTING,	  /* a setting that hands the answer on (`evasive no-name`) */
	TRACE_DECIDES,	  /* this line decides */
};
/* One step of the walk, in order. Texts live until the call returns. line 0 = none. */
struct trace {
	void (*step)(void *user, enum trace_result r, uint32_t line, const char *text);
	void *user;
};
const char *trace_result_key(enum trace_result
		r); /* "who" "name" "skip" "no-match" "no-hours" "no-address" "watch" "setting" "decides" */

/* live: never NULL; &policy_live_none where nothing is granted, used up or paused. */
void policy_eval(const struct image *img, const struct policy_live *live,
	const struct policy_query *q, const struct trace *trace /* NULL: none */,
	struct verdict *out);

/* Names of the groups, person and device that contain the client, most particular first; returns how many (<= max). */
size_t policy_who_names(
	const struct image *img, const struct policy_who *who, const char **out, size_t max);

/* The MAC addresses that a device's line states; how many were written. */
size_t policy_device_macs(const struct image *img, uint16_t device, struct mac *out, size_t max);

/* Finds a name of the policy for `explain WHO`: every device of it. kind: 0 none, else 1 + enum conf_who_kind.
 * A group defined by nets has no devices: *net_addr gets a representative address then. */
struct policy_found {
	int kind;
	uint16_t devices[256];
	size_t n_devices; /* of all; devices[] holds at most 256 */
	bool has_addr;
	struct addr addr;
};
void policy_find_who(const struct image *img, struct slice name, struct policy_found *out);

/* A word of the policy that stands for names, compared without case. names: parted by spaces, as a policy writes them; ""
 * for a list. The texts are the image's. */
struct policy_term {
	const char *word, *names;
	enum what_kind kind; /* WHAT_LIST, WHAT_APP, WHAT_SET */
	uint32_t set, count;
};
bool policy_find_term(const struct image *img, struct slice word, struct policy_term *out);

#endif
