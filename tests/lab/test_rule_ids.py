# SPDX-License-Identifier: GPL-3.0-or-later
"""A rule is itself, not its line: what it decided is found by its id after edits above it, moves and renames."""
import http.client
import itertools
import json
import os
import socket

import pytest

import labkit

HEAD = """\
timezone UTC
fail closed
device one mac 00:00:5e:00:53:02
"""
RULE = "  block ads.example because \"Advertising\""
POLICY = HEAD + f"for everyone\n{RULE}\notherwise allow\n"
PATHS = {"N": "inspect-tcp 443 80\nproxy-tcp none\n", "T": "inspect-tcp 443\nproxy-tcp 80\n"}
NAT = (False,)
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
numbers = itertools.count(1)


class Api(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=2 * labkit.PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def call(lab, method, path, body=None, headers=()):
    api = Api(lab.api)
    api.request(method, "/api/v1/" + path, json.dumps(body) if body else None,
                {"X-Durward": "1", "Content-Type": "application/json", **dict(headers)})
    answer = api.getresponse()
    data = json.loads(answer.read())
    assert answer.status == 200, (answer.status, data)
    return data, answer.headers


def apply(lab, text):
    """As the web UI saves a policy."""
    _, headers = call(lab, "GET", "policy")
    done, _ = call(lab, "PUT", "policy/apply", {"text": text}, {"If-Match": headers["ETag"]})
    assert done["taken"], done


def refused(lab, v6, site="ads.example"):
    """One request that the rule refuses, and its row."""
    name = f"n{next(numbers)}.{site}"
    assert lab.curl(f"http://{name}/", v6=v6).status == 403
    rows = labkit.until(lambda: lab.events(f'"{name}"'))
    assert rows and rows[0]["verdict"] == "block", name
    return rows[0]


def decided(lab, rule):
    """The names in `durwardctl log rule=ID`: what the page shows for "Show all it decided"."""
    rows = labkit.read_json(lab.ctl("-j", "log", "-n", "1000", f"rule={rule}").stdout)
    return {row["name"] for row in rows}


@BOTH
def test_all_that_a_rule_decided_over_edits_moves_and_renames(lab, v6):
    apply(lab, POLICY + f"# {lab.path} {v6}\n")
    first = refused(lab, v6)
    rule, mine = first["rule_id"], [first["name"]]
    assert first["rule_line"] == first["rule"]["line"] == 5

    apply(lab, HEAD + f"\n# an edit above\nfor everyone\n  block other.example\n{RULE} firm\notherwise allow\n")
    again = refused(lab, v6)
    mine.append(again["name"])
    assert (again["rule_id"], again["rule"]["line"]) == (rule, 8)
    other = refused(lab, v6, "other.example")
    assert other["rule_id"] != rule

    apply(lab, HEAD + f"for everyone\n{RULE}\n  block other.example\notherwise allow\n")  # it moves up
    mine.append(refused(lab, v6)["name"])
    assert refused(lab, v6)["rule_id"] == rule
    assert set(mine) <= decided(lab, rule) and other["name"] not in decided(lab, rule)

    apply(lab, HEAD + f"for everyone\n  allow fine.example\n{RULE} as adverts{int(v6)}\n  block other.example\notherwise allow\n")
    named = refused(lab, v6)
    mine.append(named["name"])
    assert named["rule_id"] == f"adverts{int(v6)}" and named["rule"]["line"] == 6
    apply(lab, HEAD + f"for everyone\n{RULE} as spots{int(v6)}\n  block other.example\notherwise allow\n")
    mine.append(refused(lab, v6)["name"])
    for known_as in (rule, f"adverts{int(v6)}", f"SPOTS{int(v6)}"):
        assert set(mine) <= decided(lab, known_as) and other["name"] not in decided(lab, known_as), known_as
    assert lab.events(f'"{first["name"]}"')[0]["rule_line"] == 5  # where it stands today

    said = lab.ctl("log", f"rule={rule}").stdout
    assert f"line 8, now 5: block ads.example because \"Advertising\" firm (rule {rule})" in said, said
    assert f"(rule spots{int(v6)})" in lab.ctl("explain", "one", "x.ads.example").stdout


@BOTH
def test_by_hand_a_changed_rule_starts_anew_and_the_check_says_so(lab, v6):
    edited = HEAD + f"for everyone\n  block ads.example banners{int(v6)}.example\notherwise allow\n"
    apply(lab, POLICY + f"# by hand {lab.path} {v6}\n")
    before = refused(lab, v6)
    settings = os.path.join(lab.state, "settings")
    check = lambda: lab.ctl("check", "--settings", settings)
    assert "known as" not in check().stdout and check().returncode == 0
    with open(lab.policy_path, "w", encoding="utf-8") as f:
        f.write(edited)
    said = check()
    assert said.returncode == 0
    assert f"5:1: warning: this rule was known as {before['rule_id']} (line 5 of the policy in force)" in said.stdout, said
    lab.set_policy(edited)
    assert "counters start anew" in lab.words()
    after = refused(lab, v6)
    assert before["rule_id"] != after["rule_id"] and before["name"] not in decided(lab, after["rule_id"])
    assert "known as" not in check().stdout
