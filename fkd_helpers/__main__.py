"""`python -m fkd_helpers`."""

import sys

from fkd_helpers.cli import main

if __name__ == "__main__":
    sys.exit(main())
