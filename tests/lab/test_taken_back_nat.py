# SPDX-License-Identifier: GPL-3.0-or-later
"""test_taken_back.py on a gateway that masquerades."""
from test_taken_back import *  # noqa: F401,F403

PATHS = {"N": ""}
NAT = (True,)
