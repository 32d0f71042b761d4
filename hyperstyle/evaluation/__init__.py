"""How good is it? `world` asks what only the renderer knows, `comparison` sets methods side by side, `photographs` asks
people's photographs.
"""
