"""Give the person in a photo a smile: the whole of HyperStyle in six lines."""

import hyperstyle

hs = hyperstyle.load()
face = hs.align("examples/portrait.jpg")
inversion = hs.invert(face)
picture = hs.edit(face, inversion, {"smile": 2.0})
hs.paste_back("examples/portrait.jpg", face, picture).save("smiling.png")
