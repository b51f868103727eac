# SPDX-License-Identifier: GPL-3.0-or-later
"""What completes `polarstem` in a shell, from the commands as they are defined."""

from __future__ import annotations

import argparse
import shlex

SHELLS = ("bash", "zsh")

_SCRIPT = """_polarstem() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} known=
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W {commands} -- "$word"))
    return
  fi
  case "${{COMP_WORDS[1]}} $before" in
{choices}
  esac
  if [[ -n $known ]]; then
    COMPREPLY=($(compgen -W "$known" -- "$word"))
    return
  fi
  if [[ $word == -* ]]; then
    case "${{COMP_WORDS[1]}}" in
{options}
    esac
    COMPREPLY=($(compgen -W "$known" -- "$word"))
    return
  fi
  COMPREPLY=($(compgen -f -- "$word"))
}}
complete -o filenames -F _polarstem polarstem
"""


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The commands of a parser, by name."""
    (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return dict(commands.choices)


def completion_script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Shell functions that complete commands, their options, choices and file names.

    Parameters
    ----------
    parser : ArgumentParser
        Of all commands.
    shell : {"bash", "zsh"}
        Zsh runs the functions of bash.

    Returns
    -------
    str
        To be evaluated by the shell.
    """
    commands = commands_of(parser)
    options, choices = [], []
    for name, command in commands.items():
        flags = [flag for action in command._actions for flag in action.option_strings]
        options.append(f"      {name}) known={shlex.quote(' '.join(flags))} ;;")
        for action in command._actions:
            for flag in (*action.option_strings, *(() if action.option_strings else (name,))):
                if action.choices:
                    known = shlex.quote(" ".join(map(str, action.choices)))
                    choices.append(f"    {shlex.quote(f'{name} {flag}')}) known={known} ;;")
    text = _SCRIPT.format(
        commands=shlex.quote(" ".join(commands)),
        choices="\n".join(choices),
        options="\n".join(options),
    )
    return text if shell == "bash" else f"autoload -U +X bashcompinit && bashcompinit\n{text}"
