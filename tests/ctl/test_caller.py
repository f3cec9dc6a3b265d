"""What gnatterctl finds of whoever started it: descriptors, environment."""
import subprocess
from pathlib import Path

import pytest

from conftest import CTL


@pytest.mark.parametrize("closed", ["<&-", "<&- >&-", "<&- >&- 2>&-"])
def test_without_standard_streams(made, closed):
    """As some daemons start what they start. Nothing else may come to lie in their places."""
    done = subprocess.run(["sh", "-c", f'exec "$@" {closed}', "sh", str(CTL), "--dir", str(made.dir), "up"],
                          timeout=120, capture_output=True, text=True)
    assert made.json("status")["ok"]
    if ">" in closed:
        assert done.returncode == 1, "nobody got the answer"
        assert "cannot write the answer" in done.stderr or "2>" in closed
    else:
        assert done.returncode == 0 and "mqtt://" in done.stdout, done


FOREIGN = {"PGOPTIONS": "-c default_transaction_read_only=on -c statement_timeout=1", "PGCLIENTENCODING": "LATIN1",
           "PGTZ": "Mars", "PGDATESTYLE": "SQL", "PGSSLMODE": "verify-full", "PGGSSENCMODE": "require",
           "PGTARGETSESSIONATTRS": "standby", "PGCHANNELBINDING": "require", "PGUSER": "somebody", "PGHOST": "/nowhere",
           "PGHOSTADDR": "192.0.2.1", "PGPORT": "1", "PGDATABASE": "other", "PGPASSWORD": "x", "PGSERVICE": "other"}


def test_what_a_shell_set_for_another_server(made):
    """It is neither for gnatterctl nor for the parts."""
    made.up(env=FOREIGN)
    made.ctl("user", "add", "eve", env=FOREIGN)
    made.ctl("group", "create", "cafe", "--owner", "eve", "--title", "Café", env=FOREIGN)
    assert made.json("group", "show", "cafe")["title"] == made.json("group", "show", "cafe", env=FOREIGN)["title"] == "Café"
    assert made.sql("select octet_length(title) from gnatter.groups") == ["5"]
    for part in ("postgres", "mosquitto", "syncd"):
        set_there = Path(f"/proc/{made.pid(part)}/environ").read_bytes()
        assert b"PGOPTIONS" not in set_there and b"PGCLIENTENCODING" not in set_there, part
    wish = {"PGOPTIONS": "-c statement_timeout=12345"}  # psql is hers
    assert made.ctl("psql", "-XAtc", "show statement_timeout", env=wish).stdout == "12345ms\n"
