"""`python -m hubcharlstm`: the command, where the shell does not find it by name."""

import sys

from hubcharlstm.cli import main

sys.exit(main())
