"""bench-mode where it must not be: on listeners that others can reach, and with what is no password."""


def conf_set(node, key, value):
    path = node.dir / "gnatter.conf"
    lines = [f"{key} = {value}" if line.startswith(f"{key} = ") else line for line in path.read_text().splitlines()]
    path.write_text("\n".join(lines) + "\n")


def test_usage(made):
    for password in ("short", "x" * 65, "with a space", "naïve-password"):
        made.refused("bench-mode", "on", "--password", password, status=2)
    made.refused("bench-mode", "on", "--users", "0", status=2)
    made.refused("bench-mode", "on", "--users", "1000001", status=2)
    made.refused("bench-mode", "maybe", status=2)
    assert "bench mode is off" in made.ctl("bench-mode", "status").stdout
    assert "was not on" in made.ctl("bench-mode", "off").stdout


def test_refused_where_others_can_reach_it(made):
    conf_set(made, "listen", "0.0.0.0")
    assert "0.0.0.0 can be reached from outside" in made.refused("bench-mode", "on")
    assert "the database does not answer" in made.refused("bench-mode", "on", "--force")  # got that far: the node is down
    assert not list(made.dir.glob("*/bench")) and made.conf("bench_mode") == "off"


def test_a_node_with_bench_mode_does_not_open_up(made):
    """As if it had been switched on while the listeners were on loopback."""
    (made.dir / "keys/bench").write_text("prefix bench-0a1b2c\npassword 12345678\nusers 3\nexposed 0\n")
    conf_set(made, "bench_mode", "on")
    conf_set(made, "listen", "0.0.0.0")
    assert "bench mode" in made.refused("up")
    assert not (made.dir / "broker/bench").exists()
    (made.dir / "keys/bench").unlink()
    assert "does not say what it is" in made.refused("up")
    conf_set(made, "bench_mode", "maybe")
    assert "bench_mode" in made.refused("status")
