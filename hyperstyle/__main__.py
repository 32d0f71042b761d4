"""`python -m hyperstyle`."""

import sys

from hyperstyle.cli import main

if __name__ == "__main__":  # processes that the program starts import this file too
    sys.exit(main())
