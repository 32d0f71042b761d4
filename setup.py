"""Take what a checkout keeps at its root, where people look for it, into the installed package; see pyproject.toml."""

from setuptools import find_packages, setup

# `hyperstyle.domains.shipped_folder` finds them at either place.
AT_THE_ROOT = ("editing_directions", "examples")

setup(
    packages=[*find_packages(include=["hyperstyle", "hyperstyle.*"]), *(f"hyperstyle.{name}" for name in AT_THE_ROOT)],
    package_dir={f"hyperstyle.{name}": name for name in AT_THE_ROOT},
)
