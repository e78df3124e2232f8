"""`python -m relsearch`: the command line where its script is not on the path."""

from relsearch.cli import main

if __name__ == "__main__":
    main()
