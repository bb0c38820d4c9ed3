"""`python -m hubcharlstm`: the same command where `hubcharlstm` is not on the path."""

import sys

from hubcharlstm.cli import main

sys.exit(main())
