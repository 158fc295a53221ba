# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings: read once, by the supervisor; and obeyed only where nobody but root could have put them there."""
import fcntl
import os
import signal

import pytest

import labkit

NAT = (False,)
CONTROLLER, DATAPLANE = 64481, 64480

F_GET_SEALS, SEALED = 1034, 15  # seal, shrink, grow, write


def filters(lab):
    """All four ways, new connections each time."""
    return all(lab.curl(f"{scheme}://fine.test/", v6=v6).status == 200 and
               lab.curl(f"{scheme}://blocked.example/", v6=v6).status in (0, 403)
               for scheme in ("http", "https") for v6 in (False, True))


def kill(lab, *processes):
    """Ends them at once; the same processes are there again, under other pids."""
    old = lab.processes()
    for role in processes:
        os.kill(old[role], signal.SIGKILL)
    assert labkit.until(lambda: all(lab.processes().get(f) not in (None, old[f]) for f in processes)), lab.processes()


@pytest.fixture
def edited(lab):
    """The settings file, for a test to spoil; as it was afterwards."""
    path = f"{lab.state}/settings"
    with open(path, encoding="utf-8") as f:
        before = f.read()
    yield path
    with open(path, "w", encoding="utf-8") as f:
        f.write(before)


def test_an_edit_does_not_reach_a_restarted_dataplane(lab, edited):
    assert filters(lab)
    with open(edited, "a", encoding="utf-8") as f:
        f.write("mark-mask 0x0000ff00\nqueue-first 4500\nlisten-port 4580\nroute-table 4581\n")
    kill(lab, "dataplane")
    assert labkit.until(lambda: filters(lab)), "the new dataplane differs from the rules in force"
    kill(lab, "controller", "dataplane")
    assert labkit.until(lambda: lab.ctl("status").returncode == 0 and filters(lab))


@pytest.mark.parametrize("how", ["half a line", "empty", "gone", "a FIFO", "somebody's"])
def test_a_spoilt_file_does_not_reach_a_restarted_child(lab, edited, how):
    if how == "half a line":
        with open(edited, "w", encoding="utf-8") as f:
            f.write("policy /nowhere/policy\nmark-mask 0xff\nqueue-fir")
    elif how == "empty":
        os.truncate(edited, 0)
    elif how == "somebody's":
        os.chown(edited, CONTROLLER, CONTROLLER)
    else:
        os.unlink(edited)
        if how == "a FIFO":
            os.mkfifo(edited)
    try:
        kill(lab, "controller", "dataplane", "failsafe")
        assert labkit.until(lambda: lab.ctl("status").returncode == 0 and filters(lab))
    finally:
        if how in ("gone", "a FIFO", "somebody's") and os.path.lexists(edited):
            os.unlink(edited)


def test_children_get_a_sealed_copy_and_no_path(lab):
    processes = lab.processes()
    for pid in (processes[f] for f in ("dataplane", "controller", "failsafe")):
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as f:
            words = f.read().split("\0")
        assert not any("settings" in w and "/" in w for w in words), words
        assert any(w.startswith("settings=") for w in words), words
    folder = f"/proc/{processes['supervisor']}/fd"
    (sealed,) = [f for f in os.listdir(folder) if "durward-settings" in os.readlink(f"{folder}/{f}")]
    with open(f"{folder}/{sealed}", "rb") as f:
        assert fcntl.fcntl(f, F_GET_SEALS) == SEALED


# --- whose are they?

@pytest.fixture(scope="module")
def bare():
    lab = labkit.Lab(daemon=False).up().furnish()
    yield lab
    lab.down()


def start(lab, path, verb="supervisor", *words):
    done = lab.exec("gateway", [labkit.DURWARD, verb, "--settings", path, *words], timeout=60)
    assert not lab.processes()
    return done.returncode, (done.stdout + done.stderr).decode()


def settings_of(lab, **change):
    """The lab's settings with some of them changed, in a file of its own that is root's."""
    path = f"{lab.state}/changed"
    with open(f"{lab.state}/settings", encoding="utf-8") as f:
        lines = [l for l in f.read().splitlines() if l.split()[0].replace("-", "_") not in change]
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(lines + [f"{k.replace('_', '-')} {v}" for k, v in change.items()]) + "\n")
    os.chmod(path, 0o644)
    return path


@pytest.fixture
def theirs(bare):
    """A folder that is the controller's, with a script of its own in it that would tell."""
    path = f"{bare.state}/etc"
    with open(f"{path}/script", "w", encoding="utf-8") as f:
        f.write(f"#!/bin/sh\nid >>{bare.state}/was-run\n")
    os.chmod(f"{path}/script", 0o755)
    os.chown(f"{path}/script", CONTROLLER, CONTROLLER)
    yield path
    assert not os.path.exists(f"{bare.state}/was-run"), "root ran a script that is not root's"
    for name in os.listdir(path):
        os.unlink(f"{path}/{name}")


@pytest.mark.parametrize("verb", ["supervisor", "route up"])
@pytest.mark.parametrize("how", ["owner", "group", "others", "folder", "link", "FIFO", "second name"])
def test_settings_that_are_not_roots_alone_are_refused(bare, theirs, how, verb):
    """Without one word of them obeyed: each names a script that would tell, and root as the controller's user."""
    path = settings_of(bare, rules_script=f"{theirs}/script", controller_user="0", dataplane_user="0")
    want = path
    if how == "owner":
        os.chown(path, CONTROLLER, CONTROLLER)
    elif how == "group":
        os.chmod(path, 0o664)
    elif how == "others":
        os.chmod(path, 0o646)
    else:
        want, inside = theirs, f"{theirs}/settings"
        if how == "folder":
            os.rename(path, inside)
        elif how == "link":
            os.symlink(path, inside)
        elif how == "FIFO":
            os.mkfifo(inside)
        else:
            os.link(path, inside)
        path = inside
    status, words = start(bare, path, *verb.split())
    assert status == 1 and want in words and ("chown -h root:root" in words or "chmod go-w" in words), words


@pytest.mark.parametrize("how", ["owner", "group", "folder", "link", "relative"])
def test_a_script_that_is_not_roots_alone_is_not_run(bare, theirs, how):
    script = f"{theirs}/script"
    if how == "group":
        script = f"{bare.state}/group-script"
        with open(f"{theirs}/script", encoding="utf-8") as f, open(script, "w", encoding="utf-8") as out:
            out.write(f.read())
        os.chmod(script, 0o775)
    elif how == "folder":
        os.chown(script, 0, 0)
    elif how == "link":
        script = f"{theirs}/link"
        os.symlink(f"{bare.state}/durward-rules", script)
    elif how == "relative":
        script = os.path.relpath(script)
    status, words = start(bare, settings_of(bare, rules_script=script))
    assert status == 1 and "rules-script" in words and ("chown" in words or "chmod" in words), words


@pytest.mark.parametrize("change,word", [
    ({"dataplane_user": "0"}, "dataplane-user"), ({"controller_user": "0"}, "controller-user"), ({"controller_user": "root"}, "controller-user"),
    ({"dataplane_user": "00"}, "dataplane-user"), ({"dataplane_user": str(CONTROLLER)}, "dataplane-user and controller-user")])
def test_users_are_neither_root_nor_one(bare, change, word):
    status, words = start(bare, settings_of(bare, **change))
    assert status == 1 and word in words, words


@pytest.mark.parametrize("setting", ["run-dir", "state-dir"])
def test_root_makes_no_folder_where_others_may(bare, theirs, setting):
    """Root would chown what a link there points at, or write its lock and parameters through it."""
    os.symlink("/etc", f"{theirs}/trap")
    before = os.stat("/etc")
    for name in ("new", "trap"):
        place = f"{theirs}/{name}" + ("/x" if setting == "state-dir" and name == "trap" else "")
        status, words = start(bare, settings_of(bare, **{setting.replace("-", "_"): place}))
        assert status == 1 and setting in words and "chown" in words, words
    after = os.stat("/etc")
    assert (before.st_uid, before.st_mode) == (after.st_uid, after.st_mode)


def test_the_boot_guard_goes_by_what_is_right_in_a_file_with_errors(bare):
    """A typing error keeps the daemon from starting; it must not open the gateway at boot."""
    with open(bare.policy_path, "w", encoding="utf-8") as f:
        f.write("timezone UTC\nfail closed\nfor everyone\n  block blocked.example\notherwise allow\n")
    path = settings_of(bare, quee_first="1")
    try:
        status, words = start(bare, path)
        assert status == 1 and "quee-first" in words and bare.curl("http://fine.test/").status == 200
        status, words = start(bare, path, "boot-guard")
        assert status == 0 and "quee-first" in words, words
        assert bare.curl("http://fine.test/").status == 0 and bare.curl("https://fine.test/", v6=True).status == 0
    finally:
        bare.exec("gateway", [f"{bare.state}/durward-rules", "down", "--params", f"{bare.state}/run/rules"])
        os.unlink(bare.policy_path)
    assert bare.curl("http://fine.test/").status == 200


# --- as installed

@pytest.fixture
def etc(bare, tmp_path):
    """A folder that stands where /etc is, for a command of its own: with the users of the package."""
    folder = tmp_path / "etc"
    (folder / "durward" / "house").mkdir(parents=True)
    os.chown(folder / "durward" / "house", CONTROLLER, CONTROLLER)
    (folder / "passwd").write_text(f"root:x:0:0::/:/bin/sh\ndurward:x:{CONTROLLER}:{CONTROLLER}::/:/bin/false\n"
                                   f"durward-dataplane:x:{DATAPLANE}:{DATAPLANE}::/:/bin/false\n")
    (folder / "group").write_text(f"root:x:0:\ndurward:x:{CONTROLLER}:\n")
    (folder / "nsswitch.conf").write_text("passwd: files\ngroup: files\n")

    def run(program, *words):
        done = bare.exec("gateway", ["unshare", "-m", "sh", "-c", 'mount --bind "$1" /etc && shift && exec "$@"', "sh",
                                     str(folder), program, *words], timeout=60)
        return done.returncode, (done.stdout + done.stderr).decode()
    run.folder = folder / "durward"
    return run


def test_an_older_installation_is_told_how_to_fix_it(bare, etc):
    """Its folder is the controller's, and the policy lies right in it: nothing of it is taken over unseen."""
    (etc.folder / "policy").write_text("timezone UTC\nfail closed\notherwise allow\n")
    os.chown(etc.folder, CONTROLLER, CONTROLLER)
    status, words = etc(labkit.DURWARD, "supervisor")
    assert status == 1 and "chown -h root:root /etc/durward" in words, words
    os.chown(etc.folder, 0, 0)
    (etc.folder / "settings").write_text(f"rules-script {etc.folder}/nothing\n")
    status, words = etc(labkit.DURWARD, "supervisor")
    assert status == 1 and "rules-script" in words and "No such file" in words, words
    (etc.folder / "settings").write_text(f"rules-script {bare.state}/durward-rules\nrun-dir {bare.state}/run\n"
                                         f"state-dir {bare.state}/var\n")
    status, words = etc(labkit.DURWARD, "supervisor")
    assert status == 1 and "mv /etc/durward/policy /etc/durward/house/policy" in words, words


def test_check_reads_the_policy_that_the_settings_name(etc):
    (etc.folder / "house" / "policy").write_text("timezone UTC\nfail closed\notherwise alow\n")
    status, words = etc(labkit.DURWARDCTL, "check")
    assert status == 1 and "/etc/durward/house/policy:3:" in words, words
    (etc.folder / "other").write_text("timezone UTC\nfail closed\notherwise allow\n")
    (etc.folder / "settings").write_text("policy /etc/durward/other\n")
    status, words = etc(labkit.DURWARDCTL, "check")
    assert status == 0 and "/etc/durward/other" in words, words


def test_doctor_runs_no_script_of_others(etc, theirs):
    (etc.folder / "settings").write_text(f"rules-script {theirs}/script\n")
    status, words = etc(labkit.DURWARDCTL, "doctor")
    assert status == 1 and "not looked at" in words and "chown" in words, words
    os.chown(etc.folder / "settings", CONTROLLER, CONTROLLER)
    status, words = etc(labkit.DURWARDCTL, "doctor")
    assert status == 1 and "/etc/durward/settings" in words and "chown" in words, words
