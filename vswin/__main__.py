"""`python -m vswin …` is `vswin …`."""

from vswin.cli import main

main()
