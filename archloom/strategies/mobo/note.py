"""What mobo says of a proposal in its note."""

from __future__ import annotations

from archloom.strategies.note import Note


class MoboNote(Note, frozen=True, omit_defaults=True):
    """`log_uncertainty`: the logarithm of the volume of the box in which an architecture's objectives may be, in
    standard deviations of what is known of each; `unmixed`: why the chains of the surrogates cannot be relied on, if
    they cannot."""

    log_uncertainty: float
    unmixed: str = ""
