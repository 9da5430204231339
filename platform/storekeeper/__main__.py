"""`python -m storekeeper` is the command line."""

from storekeeper.cli import main

main()
