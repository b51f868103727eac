# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual experiments: fields with domains, walls and defects, and the truth about them.

Import from the modules: `recipe` is light (no numpy), the others need ASE and xarray.
"""
