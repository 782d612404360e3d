"""`python3 -m axiom.launch run|tools`: refuse an old Python in one line, then go on in axiom.bootstrap.

This file keeps to what Python 3.6 can read; nothing else in the project does.
"""

import sys

MINIMUM = (3, 11)


def refusal(major: int, minor: int) -> str:
    """Return why this Python won't do, or an empty text when it will."""
    if (major, minor) >= MINIMUM:
        return ""
    return (
        f"axiom: this is Python {major}.{minor}, and 3.11 or newer is needed. "
        "Install one and name it: make run PYTHON=python3.11"
    )


def main() -> int:
    """Check the interpreter and run the command. Returns the exit status."""
    reason = refusal(sys.version_info[0], sys.version_info[1])
    if reason:
        sys.stderr.write(reason + "\n")
        return 1
    from axiom import bootstrap

    return bootstrap.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
