"""``python -m placezoo``."""

from placezoo.experiments.command_line import main

if __name__ == "__main__":
    main()
