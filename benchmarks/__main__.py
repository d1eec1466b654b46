"""`python -m benchmarks`: what it measures, `benchmarks.command` and `benchmarks.cuda` say."""

from __future__ import annotations

import sys


def main(argv: list[str] | None = None) -> int:
    """Runs a command; `argv` is the program's by default."""
    arguments = sys.argv[1:] if argv is None else argv
    # Each by itself: a machine with a GPU may lack what the others import.
    if arguments[:1] == ["cuda"]:
        try:
            from benchmarks.cuda import command as cuda
        except ModuleNotFoundError as error:
            print(f"error: {error}; pip install torch torchvision pandas numpy", file=sys.stderr)
            return 1
        return cuda.main(arguments[1:])
    from benchmarks import command

    return command.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
