# SPDX-License-Identifier: GPL-3.0-or-later
"""Flights of TLS over TCP: from a spec to a flight, and what its outcome means.

A spec is plain data (JSON): family, n, kind (blocked | allowed), v6, server, proxied, stamps, seed, steps. The same
spec makes the same packets, but for the port they come from. Owns: nothing; pure.
"""
import random

import origin
import tcpforms
import tls
from tcpflow import TcpFlight

GROUPS = {  # family: (kind, the groups its first transformation comes from, how many more and from where)
    "tcp-segments": ("blocked", ("segments", "gaps"), ("segments", "order", "gaps")),
    "tcp-order": ("blocked", ("order",), ("segments", "order", "gaps")),
    "tcp-overlap": ("blocked", ("overlap",), ("segments", "overlap", "order", "gaps")),
    "tcp-fake-ttl": ("blocked", ("fake-ttl",), ("segments", "order", "gaps", "inject")),
    "tcp-fake-checksum": ("blocked", ("fake-sum",), ("segments", "order", "gaps", "inject")),
    "tcp-fake-sequence": ("blocked", ("fake-seq",), ("segments", "order", "gaps", "inject")),
    "tcp-fake-md5": ("blocked", ("fake-md5",), ("segments", "order", "gaps", "inject")),
    "tcp-fake-timestamp": ("blocked", ("fake-stamp",), ("segments", "order", "gaps", "inject")),
    "tcp-fake-flags": ("blocked", ("fake-flags",), ("segments", "order", "gaps", "inject")),
    "tcp-inject": ("blocked", ("inject",), ("segments", "order", "gaps", "fake-ttl")),
    "tcp-syn-data": ("blocked", ("syn-data",), ("segments", "order", "gaps")),
    "tcp-before-syn": ("blocked", ("before-syn",), ("segments", "order", "gaps", "before-syn", "fake-ttl")),
    "tcp-urgent": ("blocked", ("urgent",), ("segments", "order", "gaps", "urgent")),
    "tcp-forged": ("blocked", ("forged",), ("segments", "gaps", "fake-ttl", "overlap")),
    "ip-fragments": ("blocked", ("fragments", "fragments-odd"), ("segments", "order", "fragments", "overlap", "gaps")),
    "ip-headers": ("blocked", ("extension", "extension-odd"), ("segments", "order", "fragments", "overlap", "gaps")),
    "tls-records": ("blocked", ("records", "hello", "behind"), ("records", "hello", "segments")),
    "tls-odd-records": ("blocked", ("records-odd",), ("records", "records-odd", "segments", "gaps")),
    "tls-names": ("blocked", ("names",), ("hello", "records", "segments")),
    "tls-mixed": ("blocked", None, None),
    "tcp-valid": ("allowed", ("segments", "order", "probes", "gaps"), ("segments", "order", "probes", "gaps", "slow")),
    "ip-valid": ("allowed", ("fragments", "extension"), ("segments", "order", "probes", "fragments", "gaps")),
    "tls-valid": ("allowed", ("records", "hello"), ("records", "hello", "segments", "order", "gaps")),
}
FAMILIES = tuple(GROUPS)


def pool(groups, kind, v6, layer):
    out = []
    for f in tcpforms.FORMS.values():
        if groups is not None and f.group not in groups or kind == "allowed" and not f.valid:
            continue
        if "v6" in f.only and not v6 or "v4" in f.only and v6 or "tls" in f.only and layer == "http":
            continue
        if any(x in f.only and layer != x for x in ("http", "quic", "talk")):
            continue
        out.append(f.name)
    return sorted(out)


def steps_for(rng, first, more, kind, v6, layer="tls"):
    firsts = pool(first, kind, v6, layer) or pool(("fragments",), kind, v6, layer)
    names = [rng.choice(firsts)]
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        name = rng.choice(pool(more, kind, v6, layer))
        if name not in names:
            names.append(name)
    return [[name, rng.getrandbits(32)] for name in names]


def spec_for(family, n, rng, proxied):
    kind, first, more = GROUPS[family]
    v6 = rng.random() < 0.5
    # a server that is left half-open by a trick (its RST came at a number that it does not expect) serves nobody else
    serial = "valid" in family or family in ("tcp-segments", "tcp-order", "tls-records", "tls-odd-records", "tls-names")
    servers = origin.TLS if serial and rng.random() < 0.15 else tuple(s for s in origin.TLS if s not in origin.ONE_AT_A_TIME)
    return {"layer": "tls", "family": family, "n": n, "kind": kind, "v6": v6, "server": rng.choice(servers),
            "proxied": proxied, "stamps": rng.random() < 0.7, "seed": rng.getrandbits(32), "version": rng.choice((13, 13, 12)),
            "steps": steps_for(rng, first, more, kind, v6)}


LABELS = ("f{}", "f{}", "xn--f{}-", "f--{}-")  # browsers open each of them, an A-label of nothing too; GnuTLS takes no "_"


def site_of(n, blocked):
    """A name of this flight's own, below the site that is blocked or the one that is not."""
    return LABELS[n % len(LABELS)].format(n) + (".blocked.example" if blocked else ".fine.test")


def name_of(spec):
    blocked = spec["kind"] != "allowed"
    return "blocked.example" if blocked and spec["server"] == "openssl" else site_of(spec["n"], blocked)


def shape(spec):
    rng = random.Random(spec["seed"])
    s = tcpforms.Shape(name_of(spec), spec["v6"], spec["stamps"])
    s.options["version"] = spec["version"]
    tcpforms.apply(s, spec["steps"], (0,))
    name = s.options.pop("name", s.name)
    early = s.early if s.options["version"] == 13 and spec["server"] != "caddy" else b""  # Go's server takes none
    s.options["early"] = bool(early)
    s.hello = tls.hello(rng, name, **s.options)
    # as long as the true one, if it can be: then the fake stands exactly in its place
    s.decoy = tls.hello(rng, "d.fine.test", pad=max(0, len(s.hello) - 260), version=spec["version"])
    spare = len(s.hello) - len(s.decoy)
    s.decoy = tls.hello(rng, "d.fine.test", pad=max(1, len(s.hello) - 260 + spare), version=spec["version"])
    s.pieces = tls.records(s.hello, ())
    tcpforms.apply(s, spec["steps"], (1, 2))
    s.pieces += [early] if early else []
    s.stream, s.fake_stream = b"".join(s.pieces), b"".join(tls.records(s.decoy, ()))
    return tcpforms.finish(s, spec["steps"])


def flight(engine, spec):
    s = shape(spec)
    answer = tls.Answer([s.hello, s.decoy])
    f = TcpFlight(engine, spec, origin.address(spec["server"], spec["v6"]), origin.port(spec["server"], "tls", spec["proxied"]),
                  s.segs, s.stream, answer, stamps=spec["stamps"], syn=s.syn, patience=patience(spec))
    f.ambiguous, f.only = s.ambiguous, not s.oob and not any(x.fake for x in s.segs) and not s.syn and len(s.pieces) == len(tls.records(s.hello, ()))
    return f


def patience(spec):
    return 8.0 if spec["kind"] == "allowed" else 1.2


def judge(spec, f):
    """None, or what went wrong, in words."""
    answered = f.outcome in ("hello", "blocked", "other", "hrr")
    if spec["kind"] == "allowed":
        return None if answered else f"an allowed name was not served: {f.outcome}" + \
            (f" {f.reader.alert}" if f.outcome == "alert" else "")
    if f.outcome == "blocked":
        return "the server answered for a blocked name"
    if answered and not f.ambiguous and (f.reader.understood == 0 or f.only):
        return "the server answered a hello with a blocked name"
    return None
