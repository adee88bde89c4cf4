"""`mailwake`, the command: runs the command line, and turns known errors into one line and an exit code."""


def main() -> None:
    """Run the command line and exit. See docs/cli.md for the exit codes."""
    from mailwake.allocators import keep_little

    keep_little()

    from mailwake.cli.app import app
    from mailwake.cli.failures import explained

    with explained():
        app(prog_name="mailwake")


if __name__ == "__main__":
    main()
