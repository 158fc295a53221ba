# SPDX-License-Identifier: GPL-3.0-or-later
"""The block page as clients get it, on both paths: what it says, and that its reference finds that very decision."""
import re

import pytest

import labkit

POLICY = """\
timezone UTC
fail closed
device one mac 00:00:5e:00:53:02
for everyone
  block tracker.example because "It follows people"
otherwise allow
"""
PATHS = {"N": "inspect-tcp 443 80\nproxy-tcp none\n", "T": "inspect-tcp 443\nproxy-tcp 80\n"}
NAT = (False,)
BOTH = pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])


def reference(reply):
    found = re.search(rb"<dt>Reference</dt><dd>([0-9A-Z-]{14})</dd>", reply.body)
    assert found, reply.body
    return found.group(1).decode()


@BOTH
def test_the_reference_finds_the_decision(lab, v6):
    names = [f"r{i}-{6 if v6 else 4}.tracker.example" for i in range(4)]
    pages = {n: lab.curl(f"http://{n}/", v6=v6) for n in names}
    for name, page in pages.items():
        assert page.status == 403 and b"It follows people" in page.body, page
        assert labkit.until(lambda n=name: lab.events(f'"{n}"')), name
        ref = reference(page)
        for typed in (ref, f"reference={ref.lower().replace('-', '')}"):
            rows = labkit.read_json(lab.ctl("-j", "log", typed).stdout)
            assert [r["name"] for r in rows] == [name] and rows[0]["verdict"] == "block", (ref, rows)
        assert rows[0]["reference"] == ref
    assert len({reference(p) for p in pages.values()}) == len(names)
