# SPDX-License-Identifier: GPL-3.0-or-later
"""Chromium itself through the gateway: a page allowed, a page blocked, over HTTP, HTTPS and HTTP/3.

With a lab's authority Chromium keeps no HTTP/3 that it learnt by Alt-Svc; told to use it, it never falls back. So the
two are tested apart: with --origin-to-force-quic-on, and where QUIC is refused and pages come over TCP.
"""
import shutil

import pytest

import browser
import labkit

POLICY = """\
timezone UTC
fail closed
device one mac 00:00:5e:00:53:02
device two mac 00:00:5e:00:53:03
for everyone
  block tracker.example because "It follows people"
for two
  block port udp/443
otherwise allow
"""
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
AT_ONCE = 3  # seconds; the usual is a tenth of one, and a machine may stall once

pytestmark = pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium here")


def refused(web, url, told):
    """Opens it until it was refused at once: told(page) each time."""
    def attempt():
        page = web.open(url)
        assert told(page), page
        print(f"{url}: {page.error or 'the block page'} after {page.seconds:.2f} s")
        return page.seconds

    labkit.at_once(attempt, AT_ONCE)


def chromium(lab, v6, *options, ns="client"):
    address = f"[{labkit.ORIGIN[6]}]" if v6 else labkit.ORIGIN[4]
    return browser.Chromium(lab, f"--host-resolver-rules=MAP * {address}", *options, ns=ns)


@BOTH
def test_pages_over_tcp(lab, v6):
    names = {w: f"c{6 if v6 else 4}.{w}" for w in ("fine.test", "tracker.example")}
    lab.curl(f"https://{names['fine.test']}/")  # its certificate is made now
    with chromium(lab, v6) as web:
        page = web.open(f"https://{names['fine.test']}/")
        assert page.text.startswith(f"origin {names['fine.test']}") and page.protocol == "h2", page
        refused(web, f"https://{names['tracker.example']}/", lambda p: p.error.startswith("net::ERR_") and not p.text)
        page = web.open(f"http://{names['fine.test']}/")
        assert page.text.startswith(f"origin {names['fine.test']}"), page
        refused(web, f"http://{names['tracker.example']}/",
                lambda p: "It follows people" in p.text and names["tracker.example"] in p.text)
    assert not lab.asked(names["tracker.example"])


@BOTH
def test_http3(lab, v6):
    good, bad = f"q{6 if v6 else 4}.fine.test", f"q{6 if v6 else 4}.tracker.example"
    lab.curl(f"https://{good}/")
    with chromium(lab, v6, "--enable-quic", f"--origin-to-force-quic-on={good}:443,{bad}:443") as web:
        page = web.open(f"https://{good}/")
        assert page.text.startswith(f"origin {good} HTTP/3.0") and page.protocol == "h3", page
        refused(web, f"https://{bad}/", lambda p: p.error.startswith("net::ERR_QUIC"))
    assert lab.arrived(good)[-1]["proto"] == "HTTP/3.0" and not lab.asked(bad)
    assert labkit.until(lambda: [e for e in lab.events(f'"{bad}"') if e.get("verdict") == "block" and "quic" in str(e)])


@BOTH
def test_where_quic_is_refused_the_page_comes_over_tcp(lab, v6):
    name = f"t{6 if v6 else 4}.fine.test"
    lab.curl(f"https://{name}/")
    with chromium(lab, v6, "--enable-quic", ns="client2") as web:
        for _ in range(2):  # the first answer offers HTTP/3
            page = web.open(f"https://{name}/")
            print(f"over TCP after {page.seconds:.2f} s")
            assert page.text.startswith(f"origin {name}") and page.protocol == "h2", page
    assert lab.quic(name, ns="client2", v6=v6, timeout=2) is None
    assert labkit.until(lambda: [e for e in lab.events(f'"{name}"') if e.get("verdict") == "block" and "quic" in str(e)])
