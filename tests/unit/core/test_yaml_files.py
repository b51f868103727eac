# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML of any origin: plain data, bounded, or one sentence."""

from __future__ import annotations

import os

import pytest
import yaml

from polarstem.config import check
from polarstem.config.check import load
from polarstem.errors import PolarstemError
from polarstem.yaml_files import LARGEST_BYTES, MOST_VALUES, read_yaml
from tests.corpus.mutate import BOMB, MERGE_BOMB


def told(tmp_path, text: str | bytes) -> str:
    """What reading the text ends with."""
    path = tmp_path / "file.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(PolarstemError, match=r"^The sheet .*file\.yaml cannot be read: ") as caught:
        read_yaml(path, "The sheet")
    assert "\n" not in str(caught.value)
    return str(caught.value).split("cannot be read: ")[1]


def test_plain_data_come_back(tmp_path):
    path = tmp_path / "file.yaml"
    path.write_text("a: &a {x: 1}\nb: {<<: *a, y: [2, Å]}\n", encoding="utf-8")
    assert read_yaml(path, "The sheet") == {"a": {"x": 1}, "b": {"x": 1, "y": [2, "Å"]}}
    path.write_text("# nothing\n")
    assert read_yaml(path, "The sheet") is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB, f"it holds more than {MOST_VALUES:,} values, with its aliases written out."),
        (MERGE_BOMB, f"it holds more than {MOST_VALUES:,} values, with its aliases written out."),
        ("a: &a [*a]", "it is nested more than 100 levels deep, or holds itself."),
        ("[" * 3000, "it is nested more than 100 levels deep."),
        ("x: " + "y" * LARGEST_BYTES, "it is larger than 4 MB."),
        ("a: 1\nb: 2\na: 3", "'a' stands in lines 1 and 3."),
        ("a: [1\n", "expected ',' or ']', but got '<stream end>' in line 2, column 1."),
        ("a: !!int x", "invalid literal for int() with base 10: 'x'."),
        ("a: 2020-99-99", "month must be in 1..12."),
        (b"a: \xff", "it is no text in UTF-8 from byte 3 on."),
    ],
)
def test_what_is_refused(tmp_path, text, reason):
    assert told(tmp_path, text) == reason


def test_a_tag_makes_no_object(tmp_path):
    text = f"a: !!python/object/apply:os.mkdir ['{tmp_path / 'made'}']"
    assert "could not determine a constructor" in told(tmp_path, text)
    assert not (tmp_path / "made").exists()


def test_a_device_has_no_end():
    with pytest.raises(PolarstemError, match="larger than 4 MB"):
        read_yaml("/dev/zero", "The sheet")


def test_the_workflow_hands_over_what_it_read_itself():
    """Snakemake reads the configuration: aliases are one object there, met many times."""
    bomb = yaml.safe_load(BOMB)
    with pytest.raises(PolarstemError, match="with its aliases written out"):
        check(bomb)


@pytest.mark.parametrize("name", ["../outside", "a/b", "x" * 61, "a\nb", "<script>", ".", ""])
def test_names_are_names_of_files(tmp_path, name):
    """They become names of results: letters, digits and underscores, not too many."""
    path = tmp_path / "part.yaml"
    path.write_text(yaml.safe_dump({"experiments": {name: {"scan": "scan.mib"}}}))
    with pytest.raises(PolarstemError, match="is no valid name"):
        load(path)
    assert os.listdir(tmp_path) == ["part.yaml"]


def test_no_more_specimens_than_can_be_planned(tmp_path):
    path = tmp_path / "part.yaml"
    sets = {"specimens": {"kept": {"per_class": {"train": 10**9}, "thicknesses_nm": [4]}}}
    path.write_text(yaml.safe_dump(sets))
    with pytest.raises(PolarstemError, match=r"per_class\.train: 1000000000: .* 10000"):
        load(path)


def test_of_many_problems_the_first_are_told(tmp_path):
    path = tmp_path / "part.yaml"
    path.write_text(yaml.safe_dump({f"no_such_key_{i}": 1 for i in range(100)}))
    with pytest.raises(PolarstemError, match=r"has 100 problems:(.|\n)*and 60 more") as caught:
        load(path)
    assert len(str(caught.value).splitlines()) == 42
