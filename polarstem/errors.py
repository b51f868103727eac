# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception that carries a message meant for the person at the keyboard."""

import re
import unicodedata
from collections.abc import Sequence

LONGEST = 1500
"""Characters of a sentence: what is longer is shortened in its middle."""
_MOST = 40  # problems that are listed


def one_line(text: str) -> str:
    """Text of any origin as one line that is safe to print.

    Names, keys and metadata come from files of others: line breaks become spaces, what moves the
    cursor, colours the terminal or turns the writing direction is written out (``\\x1b``), and
    a text of more than `LONGEST` characters loses its middle.
    """
    text = re.sub(r"[ \t]*[\n\r\t\v\f\u2028\u2029\x85]\s*", " ", text)
    if len(text) > LONGEST:
        text = f"{text[: LONGEST * 2 // 3]} … {text[-LONGEST // 3 :]}"
    return "".join(
        repr(c)[1:-1] if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn") else c
        for c in text
    )


def reason_of(error: BaseException, whole: bool = False) -> str:
    """Why something of the system or of a library failed, as a part of a sentence without dot.

    Parameters
    ----------
    error : exception
    whole : bool
        With the file that the system names, which may be another than that at hand.
    """
    told = error.strerror if isinstance(error, OSError) and not whole else None
    text = re.sub(r"<[^<>]* at 0x[0-9a-f]+>", "…", told or str(error))
    return one_line(text).rstrip(". ") or type(error).__name__


class PolarstemError(Exception):
    """Bad input or a broken file, told in one clear sentence.

    The message says what is wrong, where, what was expected and what to do. The command
    line and the workflow print it without a traceback.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class ProblemsError(PolarstemError):
    """Several things that are wrong in one input.

    Parameters
    ----------
    what : str
        What has them: "The configuration".
    problems : sequence of str
        Each is told in a line of its own; of very many, the first.
    """

    def __init__(self, what: str, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        shown = self.problems[:_MOST]
        if len(self.problems) > _MOST:
            shown.append(f"and {len(self.problems) - _MOST} more")
        lines = "\n".join(f"  - {one_line(problem)}" for problem in shown)
        Exception.__init__(self, f"{one_line(what)} has {count}:\n{lines}")
