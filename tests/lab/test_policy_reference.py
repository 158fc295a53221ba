# SPDX-License-Identifier: GPL-3.0-or-later
"""`durwardctl explain --batch` and a second reading of the language (reference.py) agree on random policies.

DURWARD_POLICIES=N in the environment asks for N policies instead of 100; DURWARD_SEED for others.
"""
import json
import os
import random
import subprocess

import labkit
import reference

QUESTIONS = 40


def answers(folder, policy, questions):
    for name, text in {**policy.files, "policy": policy.text,
                       "batch": "".join(json.dumps(q) + "\n" for q in questions)}.items():
        (folder / name).write_bytes(text.encode())
    done = subprocess.run([labkit.DURWARDCTL, "-j", "explain", "--policy", folder / "policy", "--batch", folder / "batch"],
                          capture_output=True, text=True, timeout=labkit.PATIENCE, check=False)
    assert done.returncode == 0, f"{done.stderr}\n{policy.text}"
    return [json.loads(line) for line in done.stdout.splitlines()]


def said(answer):
    return (answer["verdict"], answer["rule"] and answer["rule"]["line"],
            answer["list"] and (answer["list"]["name"], answer["list"]["line"]), answer["because"],
            answer["watch"] and answer["watch"]["line"])


def same_rules(policy, answer, known):
    """The id of a line stands for what the rule is about, in this policy as in every other; known: both ways."""
    for step in answer["trace"]:
        about = policy.about.get(step["line"])
        if isinstance(about, str):
            assert step["id"] == about, step
        elif about:
            assert known.setdefault(about, step["id"]) == step["id"] and known.setdefault(step["id"], about) == about, step
        else:  # a `for`, `otherwise`, or no line at all
            assert step["id"] == ("otherwise" if step["line"] == policy.otherwise_line else None), step


def test_explain_agrees_with_a_second_reading_of_the_language(tmp_path):
    known = {}
    first = int(os.environ.get("DURWARD_SEED", "1"))
    for seed in range(first, first + int(os.environ.get("DURWARD_POLICIES", "100"))):
        policy = reference.Policy(random.Random(seed))
        questions = [policy.question() for _ in range(QUESTIONS)]
        got = answers(tmp_path, policy, questions)
        assert len(got) == len(questions)
        for question, answer in zip(questions, got):
            want = reference.Walk(policy, question).result()
            same_rules(policy, answer, known)
            assert said(answer) == want, f"seed {seed}: {question}\n{policy.text}\n{json.dumps(answer, indent=1)}"
