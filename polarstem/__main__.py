# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m polarstem`."""

import sys

from polarstem.cli import main

sys.exit(main())
