"""`python -m vswin …` is `vswin …`."""

from vswin.cli.main import main

main()
