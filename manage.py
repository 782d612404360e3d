#!/usr/bin/env python
"""Django's command line for Axiom LLM Gateway."""

import os
import sys


def main() -> None:
    """Run a management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "axiom.settings")
    from django.core.management import execute_from_command_line

    from axiom.env import InvalidSetting

    try:
        execute_from_command_line(sys.argv)
    except InvalidSetting as problem:
        sys.exit(f"axiom: {problem}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
