"""The ledger's and the shipper's tests once more, on PostgreSQL, in a database of their own."""

import os
import subprocess
import sys
from pathlib import Path

from tests.services import require_port

ROOT = Path(__file__).parent.parent.parent
TESTS = ["tests/finops/test_ledger.py", "tests/gateway/test_shipping.py"]


def test_ledger_and_shipper_work_on_postgresql() -> None:
    require_port("PostgreSQL", 5432)
    url = f"postgres://postgres@127.0.0.1:5432/axiom_ledger_{os.getpid()}"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "--create-db", *TESTS],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "skipped" not in done.stdout
