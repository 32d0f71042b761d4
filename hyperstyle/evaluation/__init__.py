"""How good is it? `world` asks what only the renderer can answer, `comparison` sets inversion methods side by side."""
