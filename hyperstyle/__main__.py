"""`python -m hyperstyle`."""

import sys

from hyperstyle.cli import main

sys.exit(main())
