# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: its help, its completion, and what `pip install` brings for it."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from polarstem import __version__, cli, shipped_files
from polarstem.completion import commands_of, completion_script

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = commands_of(cli.parser())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", COMMANDS)
def test_help_explains_every_argument_and_ends_in_an_example(name):
    command = COMMANDS[name]
    assert [a.dest for a in command._actions if not a.help] == []
    assert command.description.endswith(".")
    text = command.format_help()
    assert max(map(len, text.splitlines())) <= 80
    example = shlex.split(cli.EXAMPLES[name])
    assert example[0] == name
    assert callable(cli.parser().parse_args(example).run)
    assert " ".join(text.split()).endswith(f"Example: polarstem {cli.EXAMPLES[name]}")


def test_every_command_is_listed_with_what_it_does():
    text = cli.parser().format_help()
    assert [name for name in COMMANDS if f"\n    {name} " not in text] == []
    assert set(cli.EXAMPLES) == set(COMMANDS)


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"polarstem {__version__}\n")


@pytest.mark.parametrize(
    ("words", "known"),
    [
        (["ma"], {"map"}),
        (["i"], {"inspect"}),
        (["map", "--m"], {"--model"}),
        (["map", "scan.mib", "--s"], {"--sheet"}),
        (["model", "--e"], {"--energy-kv", "--effort"}),
        (["complete", ""], {"bash", "zsh"}),
        (["map", "sc"], {"scan.mib"}),
        (["inspect", "--figure", "sc"], {"scan.mib"}),
    ],
)
def test_bash_completes(words, known, tmp_path, unavailable):
    if shutil.which("bash") is None:
        unavailable("no bash")
    (tmp_path / "scan.mib").touch()
    line = shlex.join(["polarstem", *words]).replace("''", '""')
    script = completion_script(cli.parser(), "bash") + (
        f"COMP_WORDS=({line})\nCOMP_CWORD={len(words)}\n_polarstem\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    run = ["bash", "-u", "-c", script]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == known, done.stderr


def test_zsh_takes_the_functions_of_bash():
    text = completion_script(cli.parser(), "zsh")
    assert text.startswith("autoload -U +X bashcompinit && bashcompinit\n_polarstem() {")


def test_pip_installs_the_command():
    assert PROJECT["project"]["scripts"] == {"polarstem": "polarstem.cli:main"}
    code = "import sys, polarstem.cli as cli; sys.argv[0] = 'bin/polarstem'; cli.main(['-h'])"
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: polarstem ")


def test_all_that_the_package_reads_is_installed_with_it():
    given = PROJECT["tool"]["setuptools"]["data-files"]
    needed = [ROOT / "config.yaml"]
    needed += [path for path in (ROOT / "resources").rglob("*") if path.is_file()]
    lacking = [
        path.name
        for path in needed
        if path.parent.name != "presets"  # named on the command line, in a clone
        and not any(
            fnmatch(str(path.relative_to(ROOT)), pattern)
            and (Path("share/polarstem") / path.parent.relative_to(ROOT)) == Path(target)
            for target, patterns in given.items()
            for pattern in patterns
        )
    ]
    assert lacking == []


def test_files_are_found_in_a_clone_and_where_pip_puts_them(tmp_path, monkeypatch):
    assert shipped_files.shipped("config.yaml") == ROOT / "config.yaml"
    monkeypatch.setattr(shipped_files, "CLONE", tmp_path / "site-packages")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    installed = tmp_path / "share" / "polarstem" / "config.yaml"
    assert shipped_files.shipped("config.yaml") == tmp_path / "site-packages" / "config.yaml"
    installed.parent.mkdir(parents=True)
    installed.touch()
    assert shipped_files.shipped("config.yaml") == installed
