"""init --database: an existing server, here the private one of another node."""
import pytest


@pytest.fixture(scope="module")
def server(up):
    """URI of a database on a server that is not the node's, with an account that owns it and is no superuser."""
    up.sql("create role landlord login createrole password 'p:a\\ss''w'")
    up.sql("create database shared owner landlord")
    return f"postgresql://landlord:p%3Aa%5Css'w@127.0.0.1:{up.conf('postgres_port')}/shared"


def test_two_nodes_share_a_server(server, up, node):
    node.ctl("init", "--database", server, "--mqtt-port", 0, "--ws-port", 0)
    assert not (node.dir / "postgres").exists()
    assert "p:a" not in (node.dir / "gnatter.conf").read_text()
    node.ctl("up")
    node.ctl("user", "add", "alice")
    assert node.sql("select current_database() || ' ' || current_user") == ["shared landlord"]
    assert [part["name"] for part in node.json("status")["parts"]] == ["mosquitto", "syncd", "supervisor"]
    assert node.ctl("token", "alice", "phone").stdout.count(".") == 2
    node.ctl("verify")
    node.ctl("down")
    assert up.json("status")["ok"]
    assert "alice" not in [user["user"] for user in up.json("user", "list")]
    node.refused("up", "--database", server)


def test_a_lost_configuration_makes_no_other_node(server, node):
    """A private database would be one without its users and messages, and nobody told."""
    node.ctl("init", "--database", server, "--mqtt-port", 0, "--ws-port", 0)
    conf = node.dir / "gnatter.conf"
    conf.rename(node.home / "kept")
    for command in (["up"], ["init"], ["up", "--database", server]):
        line = node.refused(*command)
        assert f"{conf} is missing: restore" in line and f"remove {node.dir}/mosquitto.conf" in line
    assert f"{conf} is missing: restore" in node.refused("status")
    assert not (node.dir / "postgres").exists() and not conf.exists()
    (node.home / "kept").rename(conf)
    node.up()
    node.ctl("down")
    conf.unlink()
    (node.dir / "mosquitto.conf").unlink()  # as it said
    node.ctl("init", "--database", server, "--mqtt-port", 0, "--ws-port", 0)


def test_a_server_that_does_not_answer(node):
    line = node.refused("init", "--database", "postgresql://nobody@127.0.0.1:1/none")
    assert "--database" in line and not (node.dir / "gnatter.conf").exists()


def test_a_newer_schema_is_refused(up):
    up.sql("insert into gnatter.migration (version, name) values (9999, '9999_from_tomorrow.sql')")
    try:
        assert "9999" in up.refused("migrate")
    finally:
        up.sql("delete from gnatter.migration where version = 9999")
    up.ctl("migrate")
