"""How good is it? `world` asks what only the renderer can answer, `comparison` sets inversion methods side by side.

`photographs` asks how alike people who were never trained on come back.
"""
