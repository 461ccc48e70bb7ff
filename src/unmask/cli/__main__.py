"""`python -m unmask.cli`, which is how `torchrun -m unmask.cli pretrain ...` starts a run on several processes."""

import sys

from unmask.cli import main

sys.exit(main())
