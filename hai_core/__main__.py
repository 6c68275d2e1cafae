"""`python -m hai_core`."""

import sys

from hai_core.cli import main

if __name__ == "__main__":
    sys.exit(main())
