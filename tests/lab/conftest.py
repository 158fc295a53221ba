# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixture `lab`: one lab a test module, and the module's tests run twice, without and with NAT.

A module says what it wants in variables: POLICY (text; without it the lab's own), SETTINGS (text), DAEMON (False:
plain forwarding), NAT (a tuple of False, True; the default is both). Run by /usr/bin/python3 -m pytest, as root.
"""
import os
import signal

import pytest

import labkit


def pytest_configure(config):
    if os.geteuid():
        pytest.exit("the lab needs root: network namespaces", returncode=1)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that labs are taken down


def pytest_generate_tests(metafunc):
    if "lab" in metafunc.fixturenames:
        kinds = getattr(metafunc.module, "NAT", (False, True))
        metafunc.parametrize("lab", kinds, ids=["nat" if k else "plain" for k in kinds], indirect=True, scope="module")


@pytest.fixture(scope="module")
def lab(request):
    module = request.module
    daemon = getattr(module, "DAEMON", True)
    if daemon and not os.access(labkit.DURWARD, os.X_OK):
        pytest.skip(f"{labkit.DURWARD} is not built")
    one = labkit.Lab(getattr(module, "POLICY", None), getattr(module, "SETTINGS", None), request.param, daemon)
    try:
        yield one.up()
    finally:
        one.down()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the last words of the lab's daemon."""
    report = (yield).get_result()
    lab = getattr(item, "funcargs", {}).get("lab")
    if report.when == "call" and report.failed and isinstance(lab, labkit.Lab) and lab.daemon:
        try:
            report.sections.append(("durward's last words", "\n".join(lab.words().splitlines()[-20:])))
        except OSError:
            pass
