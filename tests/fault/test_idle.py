"""A PostgreSQL that ends sessions which do nothing for a while: a service's do nothing at night."""
import psycopg2

from lib.node import wait_until

OURS = "select pid from pg_stat_activity where usename like 'gnatter_service%'"


def ended(connection):
    try:
        with connection.cursor() as cursor:
            cursor.execute("show idle_session_timeout")
    except psycopg2.OperationalError:
        return True
    return False


def test_idle_sessions_stay(node, cast):
    alice, bob = cast(2, acks=True)
    alice.say(bob.address, mid="before")
    node.sql("alter system set idle_session_timeout = '1s'")
    node.sql("select pg_reload_conf()")
    try:
        wait_until(lambda: node.sql_value("show idle_session_timeout") == "1s", 10, "it counts")
        before = node.sql(OURS)
        other = node.database()
        wait_until(lambda: ended(other), 20, "who does nothing for a second is ended", 1.5)
        assert [pid for pid in before if pid not in node.sql(OURS)] == [], "ours are not"
        alice.say(bob.address, mid="after")
        bob.wait_for("chat", id="after")
    finally:
        node.sql("alter system reset idle_session_timeout")
        node.sql("select pg_reload_conf()")
