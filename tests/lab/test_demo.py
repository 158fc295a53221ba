# SPDX-License-Identifier: GPL-3.0-or-later
"""The first sight of Durward: `make demo`, with a terminal and without one."""
import os
import pty
import re
import signal
import subprocess
import sys
import urllib.request

import labkit

DEMO = os.path.join(labkit.HERE, "demo.py")
LONG = 600  # the whole tour, on a busy machine


def environment(name):
    env = {k: v for k, v in os.environ.items() if k != "LAB_STATE"}
    return {**env, "LAB_PREFIX": f"{labkit.RUN}t{os.getpid()}-{name}", "NO_COLOR": "1"}


def test_without_a_terminal_it_ends_and_promises_nothing_that_is_gone():
    env = environment("demo")
    done = subprocess.run([sys.executable, DEMO], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=LONG, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "15 of 15 steps" in done.stdout and "Without a terminal it ends here" in done.stdout, done.stdout
    assert "warning" not in done.stdout and "durwardctl check: policy: ok" in done.stdout, done.stdout
    assert "http://127.0.0.1" not in done.stdout, done.stdout
    assert done.stdout.rstrip().endswith("Everything is removed again."), done.stdout
    assert not os.path.exists(f"/run/durward-lab/{env['LAB_PREFIX']}")


def read_until(terminal, word, text=""):
    """What the terminal shows until it shows this word (or ends)."""
    while word not in text:
        try:
            data = os.read(terminal, 4096)
        except OSError:  # the other side is closed
            break
        if not data:
            break
        text += data.decode(errors="replace")
    return text


def test_in_a_terminal_the_dashboard_is_there_until_ctrl_c():
    env = environment("demo-tty")
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, DEMO], env=env, stdin=theirs, stdout=theirs, stderr=theirs,
                          start_new_session=True) as demo:
        os.close(theirs)
        try:
            text = read_until(ours, "watch\r\n")
            web = re.search(r"dashboard +(http://127\.0\.0\.1:\d+)", text)
            assert web and "first login" in text, text
            with urllib.request.urlopen(web[1], timeout=labkit.PATIENCE) as page:
                assert page.status == 200
            demo.send_signal(signal.SIGINT)
            text = read_until(ours, "removed again.", text)
            assert "Everything is removed again." in text and demo.wait(LONG) == 0, text
        finally:
            if demo.poll() is None:
                demo.send_signal(signal.SIGINT)
                demo.wait(LONG)
            os.close(ours)
