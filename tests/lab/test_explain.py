# SPDX-License-Identifier: GPL-3.0-or-later
"""durwardctl explain beside the dataplane: it finds the device behind an address as the dataplane does, before anything was recorded."""
import json

import labkit

NAT = (False,)
POLICY = """\
timezone UTC
fail closed
device one mac 00:00:5e:00:53:02
device two mac 00:00:5e:00:53:03
group  side net 192.0.2.3
app tube one.tube.example =two.tube.example *.three.tube.example
for two
  allow =two.tube.example
  block tube
for side
  block by-net.example
otherwise allow
"""


def test_an_app_is_answered_by_its_names(lab):
    done = lab.ctl("explain", "two", "tube")
    assert done.returncode == 4 and "partly blocked  tube, an app of 3 names" in done.stdout, done
    answer = told(lab, "two", "tube")
    assert answer["what"]["kind"] == "app" and answer["mixed"] and answer["rule"]["line"] == 9, answer
    for part in answer["parts"]:  # as the dataplane decides for each of them
        for name in part["names"]:
            host = name.replace("=", "").replace("*", "any")
            assert lab.curl(f"http://{host}/", ns="client2").status == (403 if part["verdict"] == "block" else 200), name
    assert told(lab, "one", "tube")["verdict"] == "allow"


def told(lab, *words):
    done = lab.ctl("-j", "explain", *words)
    assert done.returncode in (0, 4), done
    return json.loads(done.stdout)


def heard(lab, address, space):
    """The gateway's kernel knows this neighbour; nothing has gone through it."""
    gateway = "2001:db8:1::1" if ":" in address else "192.0.2.1"
    lab.exec(space, ["ping", "-c", "1", "-W", "5", "-I", address, gateway])


def test_an_address_is_asked_for_with_its_mac(lab):
    for address, device in (("192.0.2.3", "two"), ("2001:db8:1::3", "two"), ("192.0.2.2", "one"), ("2001:db8:1::2", "one")):
        space = "client2" if device == "two" else "client"
        heard(lab, address, space)
        assert labkit.until(lambda: told(lab, address, "one.tube.example")["device"] == device), (address, lab.events())
        assert told(lab, address, "one.tube.example")["verdict"] == ("block" if device == "two" else "allow")
    # another address of a device puts it into a group by network, as in the dataplane
    assert told(lab, "2001:db8:1::3", "by-net.example")["verdict"] == "block"
    assert told(lab, "two", "by-net.example")["verdict"] == "block"
    assert lab.curl("http://by-net.example/", ns="client2", v6=True).status == 403
    # nobody is there: no device
    assert told(lab, "192.0.2.77", "one.tube.example")["device"] is None
    # an address that moves to another device is the other's
    lab.exec("client", ["ip", "address", "add", "192.0.2.88/24", "dev", "eth0"], check=True)
    heard(lab, "192.0.2.88", "client")
    assert labkit.until(lambda: told(lab, "192.0.2.88", "one.tube.example")["device"] == "one")
    lab.exec("client", ["ip", "address", "del", "192.0.2.88/24", "dev", "eth0"], check=True)
    lab.exec("client2", ["ip", "address", "add", "192.0.2.88/24", "dev", "eth0"], check=True)
    lab.exec("gateway", ["ip", "neighbour", "flush", "to", "192.0.2.88"])
    heard(lab, "192.0.2.88", "client2")
    assert labkit.until(lambda: told(lab, "192.0.2.88", "one.tube.example")["device"] == "two")
