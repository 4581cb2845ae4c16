"""One module per command, each with a click command named ``command``. `umbel.cli.main` lists them."""
