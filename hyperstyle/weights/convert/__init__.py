"""Foreign checkpoint formats, one file each: read safely, renamed strictly, written as this project's safetensors."""
