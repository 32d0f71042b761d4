"""Edits: what they are called, how strong they may be, and what they add to a latent or to the styles.

`DirectionEdits` moves `w` along directions found by InterFaceGAN; `styleclip.TextEditor` moves StyleSpace along a
prompt. The second needs open_clip and is imported only where it is used.
"""

from hyperstyle.editing.base import EditRow, check_strength
from hyperstyle.editing.directions import DirectionEdits
from hyperstyle.look import TextEdit

__all__ = ["DirectionEdits", "EditRow", "TextEdit", "check_strength"]
