# SPDX-License-Identifier: GPL-3.0-or-later
"""Engine for any specimen: multislice of probes by abTEM, whole fields or windows of them."""
