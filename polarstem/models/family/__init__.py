# SPDX-License-Identifier: GPL-3.0-or-later
"""The model families: one file each, named as the config names the family.

A file holds one subclass of `Model` whose `family` is the file's name. What others ask about it,
in words or by its class attributes, they ask of the class: so torch and scikit-learn, which take
seconds, are imported where they compute.
"""
