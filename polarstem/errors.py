# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception that carries a message meant for the person at the keyboard."""


class PolarstemError(Exception):
    """Bad input or a broken file, told in one clear sentence.

    The message says what is wrong, where, what was expected and what to do. The command
    line and the workflow print it without a traceback.
    """
