"""Cost profiles: named sets of coefficients with their origin."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CostProfile:
    """How estimates are made.

    Attributes:
        name: ``finn``, ``corrected``, ``calibrated`` or the path of a file.
    """

    name: str

    @property
    def exactly_finn(self) -> bool:
        """Whether estimates equal FINN's, errors included."""
        return self.name == "finn"


def load_profile(name: str) -> CostProfile:
    """Return a profile by name or file.

    Raises:
        UserError: There is no such profile, or the file is not one.
    """
    return CostProfile(name=name)
