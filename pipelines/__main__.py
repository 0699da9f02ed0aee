"""`python -m pipelines`, and the console script: the command line."""

import sys


def main() -> None:
    """Runs the command line, or says what it needs to be installed."""
    try:
        from pipelines.cli import main as run
    except ImportError as error:
        # The layers alone can be installed, without what commands need.
        from pipelines.terminal import fail, missing_package

        message = missing_package(error)
        if message is None:
            raise
        sys.exit(fail(message))
    run()


if __name__ == "__main__":
    main()
