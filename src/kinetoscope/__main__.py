"""`python -m kinetoscope` is the same as `kinetoscope`."""

from kinetoscope.cli.main import main

if __name__ == "__main__":
    main()
