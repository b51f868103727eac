# SPDX-License-Identifier: GPL-3.0-or-later
"""What the workflow's rules run: settings in, a file out."""
