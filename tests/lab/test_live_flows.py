# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes on just now is seen, with its name and its bytes, and can be cut by hand, on both paths; and it outlives the dataplane
that wrote it down: a rule that comes after a kill cuts what an earlier dataplane allowed."""
import glob
import json
import os
import signal
import struct

import pytest

import labkit
from test_taken_back import BOTH, POLICY, blocking, download, usual_policy  # noqa: F401  (fixtures)

PATHS = {"N": "", "T": "proxy-tcp 80 443\n"}
NAT = {"N": (False, True), "T": (False,)}
KINDS = ["https", "http", "quic"]


def flows(lab, *words):
    done = lab.ctl("-j", "flows", "-n", "1000", *words)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def flow(lab, name, **want):
    """The one live flow of this name, once it is as it should be."""
    found = []

    def there():
        found[:] = flows(lab, f"name={name}")
        return len(found) == 1 and all(found[0][k] == v for k, v in want.items())
    assert labkit.until(there), (name, want, found)
    return found[0]


def begin(lab, download, kind, name, v6, **kw):  # noqa: F811
    return download(f"{kind}://{name}/slow", v6, **kw)


def path_of(lab, kind):
    return "proxy" if lab.path == "T" and kind != "quic" else "inspect"


@BOTH
@pytest.mark.parametrize("kind", KINDS)
def test_what_goes_on_is_seen(lab, download, kind, v6):  # noqa: F811
    name = f"{kind}{6 if v6 else 4}.seen.example"
    going = begin(lab, download, kind, name, v6)
    f = flow(lab, name, cut="no", who="one", path=path_of(lab, kind))
    assert (":" in f["dst"]) == v6 and f["source"] == {"https": "sni", "http": "host", "quic": "quic"}[kind], f
    assert f["rule"]["text"].strip() == "otherwise allow" and POLICY.splitlines()[f["rule"]["line"] - 1] == "otherwise allow"
    assert labkit.until(lambda: flow(lab, name)["bytes_down"] > 20000), f
    was = flow(lab, name)
    assert labkit.until(lambda: flow(lab, name)["bytes_down"] > was["bytes_down"] + 20000), was
    now = flow(lab, name)
    assert now["id"] == f["id"] and now["since"] == f["since"] and 0 < now["bytes_up"] < now["bytes_down"]
    if f["path"] == "inspect":
        assert 0 < now["packets_up"] and 0 < now["packets_down"] < now["bytes_down"]
    line = lab.ctl("flows", f"name={name}").stdout
    assert f["id"] in line and name in line and "one" in line and "up" in line, line
    going.end_now()
    assert labkit.until(lambda: not [x for x in flows(lab, f"name={name}") if x["id"] == f["id"]]) or kind == "quic"


def test_filters_order_and_pages(lab, download):  # noqa: F811
    names = [f"https{i}.pages.example" for i in range(3)]
    for n in names:
        download(f"https://{n}/slow")
    download("http://pages.example/slow", ns="client2")
    assert labkit.until(lambda: len(flows(lab, "name=pages.example")) == 4)
    assert [f["name"] for f in flows(lab, "name=pages.example", "who=one")] == names[::-1], "newest first"
    assert [f["name"] for f in flows(lab, "name=pages.example", "two")] == ["pages.example"]
    rule = flow(lab, names[0])["rule"]["line"]
    assert len(flows(lab, "name=pages.example", f"rule={rule}", "allowed")) == 4
    assert not flows(lab, "name=pages.example", "blocked") and not flows(lab, "name=pages.example", f"rule={rule + 1}")
    assert len(flows(lab, "name=pages.example", f"path={path_of(lab, 'https')}")) == 4
    assert not flows(lab, "name=pages.example", "path=other")
    by_bytes = [f["bytes_up"] + f["bytes_down"] for f in flows(lab, "sort=bytes")]
    assert by_bytes == sorted(by_bytes, reverse=True)
    seen, cursor = [], ""
    while True:
        page = labkit.json_of(lab, f"/api/v1/flows?limit=1&name=pages.example{cursor}")
        assert page["matching"] == 4
        seen += [f["name"] for f in page["flows"]]
        if not page["next"]:
            break
        cursor = "&cursor=" + page["next"]
    assert seen == ["pages.example", *names[::-1]]
    for bad in ("path=nowhere", "sort=colour", "cursor=7", "before=7"):
        assert labkit.json_of(lab, f"/api/v1/flows?{bad}")["status"] == 400


@BOTH
@pytest.mark.parametrize("kind", KINDS)
def test_one_flow_is_cut_by_hand(lab, download, kind, v6):  # noqa: F811
    name = f"{kind}{6 if v6 else 4}.hand.example"
    gone, other = begin(lab, download, kind, name, v6), begin(lab, download, kind, "other.test", v6)
    f = flow(lab, name)
    done = lab.ctl("flows", "--cut", f["id"])
    assert done.returncode == 0, done.stderr
    if kind == "quic":
        assert gone.stops()
    else:
        took = gone.is_cut()
        print(f"{kind} v{6 if v6 else 4}: cut {took:.2f} s after it was asked for")
        assert took < labkit.AT_ONCE
    assert other.goes_on()
    assert labkit.until(lambda: [e for e in lab.events(f'"{name}"')
                                 if e["verdict"] == "block" and e["by"] == "hand" and e["who"] == "one"])
    assert "to be cut by socket, uid 0" in lab.words()
    again = begin(lab, download, kind, name, v6)  # that flow, and no rule
    assert again.goes_on()
    assert labkit.until(lambda: lab.ctl("flows", "--cut", f["id"]).returncode == 1 or kind == "quic")


def test_what_cannot_be_cut(lab):
    for what in ("0123456789abcdef", "ffffffffffffffff", "00000001ff000000"):
        done = lab.ctl("flows", "--cut", what)
        assert done.returncode == 1 and "has ended" in done.stderr, done
    assert lab.ctl("flows", "--cut", "x").returncode == 1
    assert lab.ctl("flows", "--cut").returncode == 2


def kill_dataplane(lab):
    before = lab.processes()["dataplane"]
    os.kill(before, signal.SIGKILL)
    assert labkit.until(lambda: lab.processes().get("dataplane") not in (None, before), step=0.01)


@BOTH
@pytest.mark.parametrize("kind", KINDS)
def test_it_outlives_the_dataplane(lab, download, kind, v6):  # noqa: F811
    name = f"{kind}{6 if v6 else 4}.outlives.example"
    gone, other = begin(lab, download, kind, name, v6), begin(lab, download, kind, "other.test", v6)
    assert labkit.until(lambda: flow(lab, name)["bytes_down"] > 20000)
    was = flow(lab, name)
    kill_dataplane(lab)
    if was["path"] == "proxy":  # the relay's sockets died with it, and so does its record
        assert gone.is_cut() < labkit.AT_ONCE
        assert labkit.until(lambda: not flows(lab, f"name={name}"))
        gone, other = begin(lab, download, kind, name, v6), begin(lab, download, kind, "other.test", v6)
        flow(lab, name)
    else:
        assert gone.goes_on()
        now = flow(lab, name, id=was["id"], since=was["since"], who="one")
        assert labkit.until(lambda: flow(lab, name)["bytes_down"] > now["bytes_down"] + 20000)
    lab.set_policy(blocking("outlives.example"))
    if kind == "quic":
        assert gone.stops()
    else:
        took = gone.is_cut()
        print(f"{kind} v{6 if v6 else 4}: cut {took:.2f} s after the rule, by another dataplane")
        assert took < labkit.AT_ONCE
    assert other.goes_on()
    assert labkit.until(lambda: [e for e in lab.events(f'"{name}"') if e["verdict"] == "block"])


def live_memory(lab):
    return [fd for fd in glob.glob(f"/proc/{lab.processes()['supervisor']}/fd/*")
            if "durward-flows" in os.readlink(fd)]


@pytest.mark.parametrize("how", ["head", "records", "noise"])
def test_a_table_that_cannot_be_is_thrown_away(lab, download, how):  # noqa: F811
    going = download("https://thrown.example/slow")
    flow(lab, "thrown.example")
    before = lab.processes()["dataplane"]
    os.kill(before, signal.SIGSTOP)  # who writes does not write over it
    for fd in live_memory(lab):
        with open(fd, "r+b", buffering=0) as f:
            if how == "head":
                f.write(struct.pack("=Q", 1))
            elif how == "records":
                f.seek(4096)
                whole = f.read(128)
                f.seek(4096)
                f.write(whole[:-16] + b"\xff" * 16 if any(whole) else b"\xff" * 128)
            else:
                f.write(os.urandom(200000))
    os.kill(before, signal.SIGKILL)
    assert labkit.until(lambda: lab.processes().get("dataplane") not in (None, before))
    pid = lab.processes()["dataplane"]
    assert lab.curl("https://fine.test/").status == 200
    assert lab.curl("https://blocked.example/").status != 200
    assert labkit.until(lambda: "they are thrown away" in lab.words())
    if lab.path == "N":
        assert going.goes_on()
    fresh = download("https://fresh.example/slow")
    flow(lab, "fresh.example")
    lab.set_policy(blocking("fresh.example"))
    assert fresh.is_cut() < labkit.AT_ONCE
    assert lab.processes()["dataplane"] == pid, "it died again"


def test_the_controller_can_only_look(lab):
    controller = lab.processes()["controller"]
    fds = [fd for fd in glob.glob(f"/proc/{controller}/fd/*") if "durward-flows" in os.readlink(fd)]
    assert fds
    for fd in fds:
        with open(fd.replace("/fd/", "/fdinfo/"), encoding="ascii") as f:
            flags = int(next(line.split()[1] for line in f if line.startswith("flags:")), 8)
        assert flags & os.O_ACCMODE == os.O_RDONLY
        was = os.stat(fd)  # opened anew, it would be by these
        assert was.st_uid == 0 and was.st_mode & 0o777 == 0o600
    for kind in ("r--s", "rw-s"):
        with open(f"/proc/{controller}/maps", encoding="utf-8") as f:
            mapped = [line for line in f if "durward-flows" in line and line.split()[1] == kind]
        assert bool(mapped) == (kind == "r--s"), mapped
