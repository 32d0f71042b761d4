"""The photograph's own detail in an edited face: what the generator could not draw moves along with the edit."""

from hyperstyle.detail.carrier import DetailCarrier

__all__ = ["DetailCarrier"]
