"""`python -m lackey` is `lackey`."""

from lackey.cli import main

if __name__ == "__main__":
    main()
