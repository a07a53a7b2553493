"""``python -m ringback``: the command line."""

from ringback.cli import main

if __name__ == "__main__":
    main()
