# SPDX-License-Identifier: GPL-3.0-or-later
"""T49: labels are compared as the ASCII they are on the wire, whatever an A-label stands for.

In front of a blocked name, and listed themselves: over TLS, QUIC and HTTP, by real clients. Every client says the
label just as a browser would, for browsers open all of them; and the same labels below an allowed name are served.
"""
import json
import os

import pytest

import labkit
import peers

POLICY = """\
timezone UTC
fail closed
device one mac 00:00:5e:00:53:02
for everyone
  block blocked.example
otherwise allow
"""
LISTED = """\
timezone UTC
fail closed
device one mac 00:00:5e:00:53:02
list odd odd.txt format domains
list exact exact.txt format hosts
app mine xn--n3h.typed.example \u2603.symbol.example xn--a-.typed.example
for everyone
  block odd exact mine
otherwise allow
"""
LABELS = ["xn--a-", "xn--n3h", "xn--zzzzzz", "XN--A-", "xn--", "ab--cd", "_x", "-x-", "x" * 63, "xn--" + "a" * 59]
PATHS = {"N": "inspect-tcp 80 443\nproxy-tcp none\n", "T": "inspect-tcp none\nproxy-tcp 80 443\n"}
NAT = {"N": (False, True), "T": (False,)}
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
EACH = pytest.mark.parametrize("label", LABELS, ids=lambda n: n[:12])


@pytest.fixture(scope="module")
def judge(lab):
    with peers.Judge(lab) as one:  # takes a hello for any name, which a server that looks for a certificate may not
        yield one


def tls(lab, name, v6):
    """What curl hears from the judge, by the name in the SNI."""
    address = f"[{peers.PEER[6]}]" if v6 else peers.PEER[4]
    return lab.curl(f"https://{name}/", "-k", "--connect-to", f"::{address}:", v6=v6)


def http(lab, name, v6):
    """Without a resolver, which refuses some of these labels; browsers have resolvers of their own."""
    return lab.curl(f"http://{name}/", "--connect-to", f"::{'[2001:db8:2::2]' if v6 else '198.51.100.2'}:", v6=v6)


@BOTH
@EACH
def test_T49_an_odd_label_in_front_of_a_blocked_name(lab, judge, label, v6):
    name, fine = f"{label}.blocked.example", f"{label}.fine.example"
    served, refused = http(lab, fine, v6), http(lab, name, v6)
    assert served.status == 200 and refused.status == 403, (served, refused)
    served, refused = tls(lab, fine, v6), tls(lab, name, v6)
    assert served.status == 200 and refused.status == 0, (served, refused)
    heard = [n.lower() for n in judge.names]
    assert fine.lower() in heard and name.lower() not in heard
    assert not [e for e in lab.origin_log() if e["host"].lower() == name.lower()]


@BOTH
@pytest.mark.parametrize("label", LABELS[:3])
def test_T49_the_same_over_QUIC(lab, label, v6):
    name = f"{label}.blocked.example"
    if label != "xn--zzzzzz":  # caddy makes no certificate for this one
        assert labkit.until(lambda: lab.quic(f"{label}.fine.example", v6=v6))
    assert lab.quic(name, v6=v6, timeout=6) is None and not lab.asked(name)
    assert labkit.until(lambda: [e for e in lab.events(f'"{name}"') if e["verdict"] == "block" and "quic" in str(e)])


def test_T49_odd_labels_are_listed_and_typed(lab, judge):
    """In lists, apps and rules as they are on the wire; a symbol that somebody types is its A-label."""
    folder = os.path.dirname(lab.policy_path)
    for file, text in (("odd.txt", "xn--a-.one.example\nXN--ZZZZZZ.one.example # c\n\u2603.one.example\nstra\u1e9ee.example\n"),
                       ("exact.txt", "0.0.0.0 xn--zzzzzz.two.example\n")):
        with open(os.path.join(folder, file), "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(os.path.join(folder, file), 0o644)
    lab.set_policy(LISTED)
    try:
        assert "broken" not in lab.ctl("check", lab.policy_path).stdout
        for name in ("xn--a-.one.example", "xn--zzzzzz.one.example", "www.xn--n3h.one.example", "xn--strae-oqa.example",
                     "xn--zzzzzz.two.example", "xn--n3h.typed.example", "x.xn--a-.typed.example", "xn--n3h.symbol.example"):
            assert lab.curl(f"http://{name}/").status == 403, name
            assert tls(lab, name, False).status == 0 and name not in judge.names, name
            told = json.loads(lab.ctl("-j", "explain", "one", name).stdout)
            assert told["verdict"] == "block", told
        for name in ("one.example", "xn--b-.one.example", "www.xn--zzzzzz.two.example", "typed.example"):
            assert lab.curl(f"http://{name}/").status == 200, name
    finally:
        lab.set_policy(POLICY)
