# SPDX-License-Identifier: GPL-3.0-or-later
"""What stays when a process dies, is asked to end, or never starts. Times are printed; the limits are generous."""
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

import labkit

ALONE = True
PATH = "N"
POLICY = """\
timezone UTC
fail {fail}
device one mac 00:00:5e:00:53:02
for everyone
  block tracker.example
  block port tcp/25
otherwise allow
"""
FORWARDED = ["net/ipv4/ip_forward", "net/ipv4/conf/all/rp_filter", "net/ipv4/conf/lan/rp_filter",
             "net/ipv4/conf/all/src_valid_mark", "net/ipv4/tcp_early_demux", "net/ipv4/conf/all/route_localnet",
             "net/ipv6/conf/all/forwarding", "net/netfilter/nf_conntrack_acct", "net/netfilter/nf_conntrack_timestamp"]


BOTH_PATHS = pytest.mark.parametrize("own", [False, True], ids=["plain", "nat"], indirect=True)


@pytest.fixture
def own(request):
    """A lab for this test alone: own(fail="closed") brings it up."""
    labs = []

    def up(fail="closed", **how):
        how = {"policy": POLICY.format(fail=fail), "nat": getattr(request, "param", False), **how}
        if how.get("daemon", True) and not os.access(labkit.DURWARD, os.X_OK):
            pytest.skip(f"{labkit.DURWARD} is not built")
        labs.append(labkit.Lab(**how))
        return labs[-1].up()

    yield up
    for lab in labs:
        lab.down()


def works(lab, **how):
    """Filtering as it should: what is allowed comes, what is blocked does not."""
    for url, want in (("http://fine.test/", 200), ("https://fine.test/", 200), ("http://tracker.example/", 403),
                      ("https://tracker.example/", 0)):
        reply = lab.curl(url, **how)
        if reply.status != want or reply.exit == 28:
            print(f"{time.strftime('%T')} {url}: {reply} after {reply.seconds:.2f} s")
            return False
    return True


def gateway(lab):
    """The gateway's state that Durward touches."""
    def run(*argv):
        return lab.exec("gateway", argv).stdout.decode()

    def rules(tool):
        # empty built-in tables may stay
        return sorted(line for line in run(tool).splitlines() if line.startswith("-A") or "DURWARD" in line)

    sysctls = run("sh", "-c", "for f in " + " ".join(FORWARDED) + "; do echo $f $(cat /proc/sys/$f 2>/dev/null); done")
    return {"iptables": rules("iptables-save"), "ip6tables": rules("ip6tables-save"), "rule": run("ip", "rule"),
            "rule6": run("ip", "-6", "rule"), "routes": run("ip", "route", "show", "table", "all", "type", "local"),
            "routes6": run("ip", "-6", "route", "show", "table", "4480"), "sets": run("ipset", "list", "-n"),
            "links": re.findall(r"^\d+: ([^:@]+)", run("ip", "-o", "link"), flags=re.M), "sysctls": sysctls}


def kill_and_wait(lab, role):
    """kill -9; the pid of the one that took its place, and after how many seconds it was there."""
    before = lab.processes()[role]
    begin = time.monotonic()
    os.kill(before, signal.SIGKILL)
    assert labkit.until(lambda: lab.processes().get(role) not in (None, before), step=0.01), f"no new {role}"
    return time.monotonic() - begin


@BOTH_PATHS
@pytest.mark.parametrize("kind", ["http", "https"])
def test_a_killed_dataplane_is_back_and_new_connections_wait(own, kind):
    lab = own()
    assert lab.curl(f"{kind}://fine.test/").status == 200
    slowest = 0
    for i in range(3):
        os.kill(lab.processes()["dataplane"], signal.SIGKILL)
        begin = time.monotonic()
        reply = lab.curl(f"{kind}://fine{i}.test/", v6=bool(i % 2))
        assert reply.status == 200, reply
        slowest = max(slowest, time.monotonic() - begin)
        assert works(lab)
    print(f"a connection begun right after kill -9 of the dataplane: at most {slowest:.2f} s")
    assert slowest < 5 * labkit.AT_ONCE


def test_how_fast_the_dataplane_is_back(own):
    lab = own()
    took = [kill_and_wait(lab, "dataplane") for _ in range(3)]
    print("a new dataplane after " + " ".join(f"{t * 1000:.0f} ms" for t in took))
    assert works(lab)


def begins(path):
    """Bytes have come."""
    return labkit.until(lambda: os.path.exists(path) and os.path.getsize(path) > 0)


@BOTH_PATHS
def test_P29_a_decided_flow_outlives_the_dataplane(own, tmp_path):
    """TLS on the inspect path is the kernel's once decided."""
    lab, path = own(), str(tmp_path / "got")
    got = lab.popen("client", ["curl", "-sS", "-4", "-m", "60", "--limit-rate", "4M", "-N", "-o", path, "-w",
                               "%{size_download}", "https://fine.test/big"])
    assert begins(path)
    os.kill(lab.processes()["dataplane"], signal.SIGKILL)
    out, err = got.communicate(timeout=90)
    assert out == b"10000000", (out, err)


@BOTH_PATHS
def test_a_relay_of_a_killed_dataplane_ends_by_reset(own, tmp_path):
    lab, path = own(settings="proxy-tcp 80\n"), str(tmp_path / "got")
    got = lab.popen("client", ["curl", "-sS", "-4", "-m", "60", "-N", "-o", path, "http://fine.test/slow"])
    assert begins(path)
    os.kill(lab.processes()["dataplane"], signal.SIGKILL)
    _, err = got.communicate(timeout=90)
    assert got.returncode == 56 and b"reset" in err, (got.returncode, err)


@BOTH_PATHS
@pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
def test_P29_plain_requests_end_by_reset_with_the_dataplane_and_begin_anew(own, v6):
    """The new dataplane does not know whether a body is under way, so what comes next on that connection is nothing it could judge."""
    lab = own(settings="inspect-tcp 80 443\nproxy-tcp none\n")
    head = b"POST / HTTP/1.1\r\nHost: fine.test\r\nContent-Length: 4000\r\n\r\n" + b"\1" * 1000
    idle = b"GET / HTTP/1.1\r\nHost: fine.test\r\n\r\n"
    for first, then in ((head, b"\1"), (head, b"POST / HTTP/1.1\r\nHost: fine.test\r\nContent-Length: 99999\r\n\r\n"), (idle, idle)):
        with lab.inside("client"):
            s = socket.create_connection((labkit.ORIGIN[6 if v6 else 4], 80), timeout=labkit.PATIENCE)
        with s:
            s.sendall(first)
            if first == idle:
                assert s.recv(9)
            assert labkit.until(lambda: "fine.test" in str(lab.events('"fine.test"')))
            kill_and_wait(lab, "dataplane")
            with pytest.raises(ConnectionError):
                s.sendall(then)
                while s.recv(65536):
                    pass
                raise AssertionError("it ended by a FIN")
        assert works(lab, v6=v6)


@BOTH_PATHS
def test_P29_a_plain_answer_outlives_the_dataplane(own, tmp_path):
    lab, path = own(settings="inspect-tcp 80 443\nproxy-tcp none\n"), str(tmp_path / "got")
    got = lab.popen("client", ["curl", "-sS", "-4", "-m", "60", "--limit-rate", "4M", "-N", "-o", path, "-w",
                               "%{size_download}", "http://fine.test/big"])
    assert begins(path)
    kill_and_wait(lab, "dataplane")
    out, err = got.communicate(timeout=90)
    assert out == b"10000000", (out, err)


def test_packets_do_not_notice_that_the_controller_died(own):
    lab = own()
    begin = time.monotonic()
    os.kill(lab.processes()["controller"], signal.SIGKILL)
    slowest = 0
    for _ in range(5):
        at = time.monotonic()
        assert works(lab)
        slowest = max(slowest, time.monotonic() - at)
    assert labkit.until(lambda: lab.ctl("status").returncode == 0)
    print(f"the API answered again {time.monotonic() - begin:.2f} s after kill -9 of the controller; "
          f"slowest round of four requests {slowest:.2f} s")
    lab.curl("http://after.tracker.example/")
    assert labkit.until(lambda: lab.events('"after.tracker.example"'))


def test_a_killed_failsafe_is_back(own):
    lab = own()
    print(f"a new failsafe after {kill_and_wait(lab, 'failsafe') * 1000:.0f} ms")
    assert works(lab)
    os.kill(lab.processes()["supervisor"], signal.SIGKILL)
    assert labkit.until(lambda: lab.curl("http://fine.test/", timeout=2).status == 0)


def end_supervisor(lab):
    begin = time.monotonic()
    os.kill(lab.processes()["supervisor"], signal.SIGKILL)
    assert labkit.until(lambda: not lab.processes(), step=0.02), lab.processes()
    return time.monotonic() - begin


@BOTH_PATHS
@pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
def test_a_killed_supervisor_in_fail_open_leaves_a_router(own, v6):
    lab = own("open")
    assert works(lab, v6=v6)
    took = end_supervisor(lab)
    assert lab.curl("http://tracker.example/", v6=v6).status == 200
    assert lab.curl("https://tracker.example/", v6=v6).status == 200
    assert lab.quic("tracker.example", v6=v6)
    print(f"fail open was in force {took:.2f} s after kill -9 of the supervisor")
    assert not [r for r in gateway(lab)["iptables"] if r.startswith("-A DURWARD") and "REJECT" in r]


@BOTH_PATHS
@pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
def test_P08_a_killed_supervisor_in_fail_closed_leaves_a_refusal(own, v6):
    lab = own("closed")
    assert works(lab, v6=v6)
    took = end_supervisor(lab)
    for kind in ("http", "https"):
        reply = lab.curl(f"{kind}://fine.test/", v6=v6)
        assert reply.status == 0 and reply.exit == 7 and reply.seconds < labkit.AT_ONCE, reply  # told, not left waiting
    assert lab.quic("fine.test", v6=v6, timeout=2) is None
    print(f"fail closed was in force {took:.2f} s after kill -9 of the supervisor")


@pytest.mark.parametrize("fail", ["open", "closed"])
def test_after_a_killed_supervisor_it_starts_again_over_what_is_left(own, fail):
    lab = own(fail)
    end_supervisor(lab)
    again = lab.popen("gateway", [labkit.DURWARD, "supervisor", "--settings", f"{lab.state}/settings"])
    try:
        assert labkit.until(lambda: lab.ctl("status").returncode == 0 and works(lab))
    finally:
        again.terminate()
        again.communicate(timeout=60)


def test_sigterm_leaves_the_gateway_as_it_was(own):
    lab = own(daemon=False)
    before = gateway(lab)
    lab.furnish(POLICY.format(fail="closed"))
    for sign in (signal.SIGTERM, signal.SIGINT):
        daemon = lab.popen("gateway", [labkit.DURWARD, "supervisor", "--settings", f"{lab.state}/settings"])
        try:
            assert labkit.until(lambda: lab.ctl("status").returncode == 0 and works(lab))
            assert gateway(lab) != before
            begin = time.monotonic()
            os.kill(lab.processes()["supervisor"], sign)
            daemon.communicate(timeout=60)
            print(f"ended {time.monotonic() - begin:.2f} s after {sign.name}")
        finally:
            daemon.kill()
        assert daemon.returncode == 0 and labkit.until(lambda: not lab.processes())
        after = gateway(lab)
        assert after == before, {k: (before[k], after[k]) for k in before if before[k] != after[k]}
        assert lab.curl("http://tracker.example/").status == 200
        assert set(os.listdir(f"{lab.state}/run")) <= {"lock", "rules.lock", "rules"}, os.listdir(f"{lab.state}/run")


def test_a_second_copy_says_so_and_harms_nothing(own):
    lab = own()
    done = lab.exec("gateway", [labkit.DURWARD, "supervisor", "--settings", f"{lab.state}/settings"])
    words = (done.stdout + done.stderr).decode()
    print(words.strip())
    assert done.returncode not in (0, None) and re.search(r"already|another|runs", words), words
    assert works(lab) and lab.ctl("status").returncode == 0


def test_without_root_it_says_so(own):
    lab = own(daemon=False)
    with open(f"{lab.state}/settings", "w", encoding="utf-8") as f:
        f.write(f"run-dir {lab.state}/run\n")
    done = lab.exec("gateway", ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", labkit.DURWARD,
                                "supervisor", "--settings", f"{lab.state}/settings"])
    words = (done.stdout + done.stderr).decode()
    print(words.strip())
    assert done.returncode == 1 and re.search(r"root|CAP_NET_ADMIN|capabilit", words), words
    assert not lab.processes()


@pytest.mark.parametrize("kind", ["missing", "unreadable", "30 errors", "a folder", "binary"])
def test_a_policy_that_cannot_be_used_at_the_start(own, kind):
    """No silent allow: it does not start, or it stands and refuses; either way it says what and where."""
    lab = own(daemon=False).furnish()
    path = lab.policy_path
    if kind == "a folder":
        os.mkdir(path)
    elif kind != "missing":
        with open(path, "wb") as f:
            f.write({"unreadable": POLICY.format(fail="closed").encode(), "binary": os.urandom(5000),
                     "30 errors": b"timezone UTC\nfail closed\n" + b"".join(b"  blok x%d.test\n" % i for i in range(30))
                     }.get(kind))
        os.chmod(path, 0 if kind == "unreadable" else 0o644)
    with open(f"{lab.state}/log/durward.log", "wb") as log:
        daemon = lab.popen("gateway", [labkit.DURWARD, "supervisor", "--settings", f"{lab.state}/settings"], stdout=log,
                           stderr=log)
    try:
        assert labkit.until(lambda: path in lab.words()), lab.words()
        # it has ended, or it stands and answers
        assert labkit.until(lambda: daemon.poll() is not None or lab.ctl("status").returncode == 0), lab.words()
        if daemon.poll() is None:
            assert lab.curl("http://fine.test/", timeout=2).status in (0, 403)
            assert lab.curl("https://fine.test/", timeout=2).status == 0
            print("it stands and refuses;", lab.ctl("status").stdout.splitlines()[:1])
        else:
            print("it ended with", daemon.returncode)
            assert daemon.returncode != 0
        if kind == "30 errors":
            assert "durwardctl check" in lab.words()  # the log has the first ones, this all of them
            said = subprocess.run([labkit.DURWARDCTL, "check", path], capture_output=True, text=True, check=False)
            assert said.returncode == 1
            assert len(set(re.findall(rf"{re.escape(path)}:(\d+):\d+: ", said.stdout + said.stderr))) == 30, said
    finally:
        if daemon.poll() is None:
            daemon.terminate()
        daemon.wait(60)


def test_reload_under_load(own):
    """200 connections while the policy is read anew 20 times: none fails, and what is blocked stays blocked."""
    lab = own()
    lab.curl("https://fine.test/")
    script = """
fail=0
for i in $(seq 25); do
    [ $(curl -s -m 30 -o /dev/null -w %{http_code} http://fine.test/$i) = 200 ] || fail=$((fail+1))
    [ $(curl -s -m 30 -o /dev/null -w %{http_code} https://fine.test/$i) = 200 ] || fail=$((fail+1))
    [ $(curl -s -m 30 -o /dev/null -w %{http_code} http://tracker.example/$i) = 403 ] || fail=$((fail+1))
    [ $(curl -s -m 30 -o /dev/null -w %{http_code} https://tracker.example/$i) = 000 ] || fail=$((fail+1))
done
echo $fail"""
    loads = [lab.popen(space, ["sh", "-c", script]) for space in ("client", "client2")]
    with open(lab.policy_path, encoding="utf-8") as f:
        text = f.read()
    begin, reloads = time.monotonic(), 0
    while reloads < 20 or any(p.poll() is None for p in loads) and reloads < 60:
        lab.set_policy(text + f"# {reloads}\n")
        reloads += 1
        time.sleep(0.05)
    took = time.monotonic() - begin
    assert [p.communicate(timeout=120)[0].strip() for p in loads] == [b"0", b"0"]
    print(f"{reloads} reloads in {took:.1f} s, 200 connections, none failed")


def test_sighup_reads_the_policy_again(own):
    lab = own()
    with open(lab.policy_path, "a", encoding="utf-8") as f:
        f.write("# more\n")
    text = open(lab.policy_path, encoding="utf-8").read()
    with open(lab.policy_path, "w", encoding="utf-8") as f:
        f.write(text.replace("block tracker.example", "block tracker.example later.test"))
    assert lab.curl("http://later.test/").status == 200
    os.kill(lab.processes()["supervisor"], signal.SIGHUP)
    assert labkit.until(lambda: lab.curl("http://later.test/").status == 403)


def test_a_bad_policy_changes_nothing_and_says_where(own):
    lab = own()
    with open(lab.policy_path, encoding="utf-8") as f:
        text = f.read()
    with pytest.raises(labkit.LabError) as e:
        lab.set_policy(text.replace("block port", "blok port"))
    assert re.search(r"\b6:\d+: ", str(e.value)), e.value
    assert labkit.until(lambda: re.search(rf"{re.escape(lab.policy_path)}:6:\d+: ", lab.words())), lab.words()
    assert works(lab)
    os.kill(lab.processes()["dataplane"], signal.SIGKILL)  # the policy in force outlives a new dataplane, and a new controller
    os.kill(lab.processes()["controller"], signal.SIGKILL)
    assert labkit.until(lambda: lab.ctl("status").returncode == 0)
    assert works(lab)
    assert "the file has errors" in lab.ctl("status").stdout


def test_P08_a_hung_dataplane_is_replaced(own):
    """kill -STOP: it answers nothing and does not end. The watchdog's limit is 5 s or so."""
    lab = own()
    before = lab.processes()["dataplane"]
    os.kill(before, signal.SIGSTOP)
    begin = time.monotonic()
    try:
        assert labkit.until(lambda: lab.processes().get("dataplane") not in (None, before), 60), "it still hangs"
        print(f"a hung dataplane was replaced after {time.monotonic() - begin:.1f} s")
        assert works(lab)
    finally:
        try:
            os.kill(before, signal.SIGCONT)
        except ProcessLookupError:
            pass


def test_many_kills_in_the_middle_of_traffic(own):
    """Each role but the supervisor, again and again, while two clients work."""
    lab = own()
    stop, failed, done = threading.Event(), [], [0]

    def client(space):
        while not stop.is_set():
            reply = lab.curl("https://tracker.example/", ns=space)
            if reply.status:
                failed.append(reply)
            done[0] += 1

    threads = [threading.Thread(target=client, args=(s,)) for s in ("client", "client2")]
    for t in threads:
        t.start()
    for i in range(90):
        pid = lab.processes().get(("dataplane", "controller", "failsafe")[i % 3])
        if pid:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.3)
        if i >= 8 and done[0] > 5:
            break
    stop.set()
    for t in threads:
        t.join()
    assert not failed and done[0] > 5
    assert labkit.until(lambda: lab.ctl("status").returncode == 0 and works(lab))


def test_an_open_socket_is_not_needed_to_end(own):
    """A client that holds a relay open does not keep SIGTERM waiting."""
    lab = own()
    with lab.inside("client"):
        s = socket.create_connection((labkit.ORIGIN[4], 80), timeout=labkit.PATIENCE)
    with s:
        s.sendall(b"GET /slow HTTP/1.1\r\nHost: fine.test\r\n\r\n")
        s.recv(1000)
        begin = time.monotonic()
        os.kill(lab.processes()["supervisor"], signal.SIGTERM)
        assert labkit.until(lambda: not lab.processes())
        print(f"ended {time.monotonic() - begin:.2f} s after SIGTERM, with a relay open")
