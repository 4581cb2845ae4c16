"""``python -m umbel`` is ``umbel``."""

from umbel.cli.main import main

if __name__ == "__main__":
    main()
