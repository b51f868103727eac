# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that say where they come from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

Origin: TypeAlias = Literal["file", "sheet", "estimated", "assumed"]


@dataclass(frozen=True)
class Sourced:
    """A setting of a scan and where it was taken from.

    Attributes
    ----------
    value : object
        Number, tuple of numbers, string or truth value.
    unit : str
        Unit of the value, "" where it has none.
    origin : {"file", "sheet", "estimated", "assumed"}
        The detector file, the scan sheet, the patterns themselves, or nothing but habit.
    note : str
        How, or what contradicts it; may be empty.
    interval : tuple of float, optional
        Within which the value is believed to lie (95 %), in the same unit.
    """

    value: Any
    unit: str
    origin: Origin
    note: str = ""
    interval: tuple[float, float] | None = None

    def __str__(self) -> str:
        values = self.value if isinstance(self.value, tuple) else (self.value,)
        told = " x ".join(f"{v:.4g}" if isinstance(v, float) else str(v) for v in values)
        unit = f" {self.unit}" if self.unit else ""
        return f"{told}{unit} ({self.origin}{': ' + self.note if self.note else ''})"

    def as_dict(self) -> dict[str, Any]:
        """Plain mapping for JSON."""
        return asdict(self)
