"""A small drawn world whose truth is known: parameters in, portraits out."""
