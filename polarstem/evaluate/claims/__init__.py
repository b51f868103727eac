# SPDX-License-Identifier: GPL-3.0-or-later
"""The paper's claims and this benchmark's hypotheses, each with a verdict."""
