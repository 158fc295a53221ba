/* SPDX-License-Identifier: GPL-3.0-or-later
 * tbl/dataplane_counters.h - what a dataplane worker counts, one row each (X-macro, no include guard: included many times).
 *
 * DATAPLANE_COUNTER(field, "words for a person")
 */
DATAPLANE_COUNTER(queued, "packets that came to the dataplane")
DATAPLANE_COUNTER(queued_tcp, "of these: TCP on inspected ports")
DATAPLANE_COUNTER(queued_udp, "of these: UDP on inspected ports")
DATAPLANE_COUNTER(queued_other, "of these: every other flow")
DATAPLANE_COUNTER(passed, "packets passed on")
DATAPLANE_COUNTER(edited, "of these: without data in a SYN, or without an offer of HTTP/2")
DATAPLANE_COUNTER(dropped, "packets not passed on")
DATAPLANE_COUNTER(flows, "flows begun in the table")
DATAPLANE_COUNTER(allowed, "flows allowed")
DATAPLANE_COUNTER(refused, "flows refused")
DATAPLANE_COUNTER(requests, "HTTP requests judged on the inspect path")
DATAPLANE_COUNTER(answers, "refusals answered with a packet")
DATAPLANE_COUNTER(answers_held, "refusals not answered again so soon")
DATAPLANE_COUNTER(answers_failed,
	"packets of refusals that the kernel did not take: nobody answers at that address")
DATAPLANE_COUNTER(live_judged, "allowed flows judged again, by another policy or at an hour's edge")
DATAPLANE_COUNTER(live_cut, "of these: cut")
DATAPLANE_COUNTER(marks_failed,
	"marks of connections that the kernel did not change: what should be "
	"cut goes on until the next try")
DATAPLANE_COUNTER(
	live_lost, "allowed flows that did not fit in the table, and go on whatever changes")
DATAPLANE_COUNTER(live_rounds, "readings of the kernel's connection table")
DATAPLANE_COUNTER(live_us, "microseconds of this work")
DATAPLANE_COUNTER(live_slow, "pieces of it that held a worker for more than 5 ms")
DATAPLANE_COUNTER(evicted, "unfinished flows pushed out of the full table")
DATAPLANE_COUNTER(
	overload, "packets judged as evasive because a table or a client's quota was full")
DATAPLANE_COUNTER(timeouts, "flows without a complete hello in time")
DATAPLANE_COUNTER(midstream, "flows found in mid-stream")
DATAPLANE_COUNTER(truncated, "packets larger than the kernel hands over")
DATAPLANE_COUNTER(events_lost, "events dropped because the ring was full")
DATAPLANE_COUNTER(nfq_overruns, "messages the kernel could not hand over (ENOBUFS)")
DATAPLANE_COUNTER(nfq_errors, "messages of a queue that could not be read")
DATAPLANE_COUNTER(verdicts_failed,
	"verdicts that the kernel did not take: mostly, the packet was gone with its device")
DATAPLANE_COUNTER(relays, "connections that the proxy took over")
DATAPLANE_COUNTER(relays_ended, "of these: ended")
DATAPLANE_COUNTER(relay_requests, "HTTP requests judged by the proxy")
DATAPLANE_COUNTER(relay_failed, "servers that the proxy could not reach")
DATAPLANE_COUNTER(relay_shed, "connections refused because the table or a client's quota was full")
DATAPLANE_COUNTER(relay_rests, "times that the proxy waited for a free file descriptor")
