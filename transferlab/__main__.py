"""``python -m transferlab`` is the ``transferlab`` command."""

import sys

from transferlab.cli import main

sys.exit(main())
