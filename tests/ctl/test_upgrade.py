"""Upgrades: a database of the first schema, with what was written to it then, as this version's gnatterctl finds it."""
import subprocess

import pytest

from conftest import TOP

FIRST = TOP / "schema/migrations/0001_base.sql"  # never edited: a database of that time has come from this
ROUTE = "get_byte(sha256('g/kitchen'), 0) * 256 + get_byte(sha256('g/kitchen'), 1)"
WRITTEN = f"""
insert into gnatter.migration (version, name) values (1, '0001_base.sql');
insert into gnatter.user_account (name) values ('alice'), ('bob'), ('gone');
update gnatter.user_account set removed_at = now(), tokens_valid_after = now() where name = 'gone';
insert into gnatter.device (user_id, name) select user_id, 'phone' from gnatter.user_account where removed_at is null;
insert into gnatter.conversation (name, kind, title, route, last_seq, last_time_ms)
values ('g/kitchen', 'group', 'Kitchen', {ROUTE}, 3, 1003);
insert into gnatter.member (conversation_id, user_id, joined_seq, role, role_seq)
select 1, user_id, 1, case name when 'alice' then 'owner' else 'member' end, 1 from gnatter.user_account where removed_at is null;
insert into gnatter.message (conversation_id, seq, time_ms, event_type, payload)
values (1, 1, 1001, 'created',
        '{{"title":"Kitchen","members":[{{"user":"alice","role":"owner"}},{{"user":"bob","role":"member"}}]}}');
insert into gnatter.message (conversation_id, seq, time_ms, sender_user_id, sender_device_id, message_id, payload)
select 1, n, 1000 + n, d.user_id, d.device_id, 'm' || n, 'hello ' || n::text::bytea
  from gnatter.device d join gnatter.user_account u using (user_id), generate_series(2, 3) n where u.name = 'alice';
insert into gnatter.cursor (conversation_id, device_id, acked_seq)
select 1, d.device_id, case u.name when 'bob' then 2 else 3 end from gnatter.device d join gnatter.user_account u using (user_id);
insert into gnatter.mark (conversation_id, user_id, delivered_seq, read_seq)
select 1, user_id, 2, 1 from gnatter.user_account where name = 'bob';
"""


@pytest.fixture(name="earlier")
def database_of_the_first_schema(up):
    """The URI of its database, on the server of another node."""
    up.sql("create role tenant login createrole password 'pass'")
    up.sql("create database earlier owner tenant")
    up.sql("grant gnatter_owner, gnatter_admin to tenant")
    uri = f"postgresql://tenant:pass@127.0.0.1:{up.conf('postgres_port')}/earlier"
    subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", uri, "-f", FIRST, "-c", WRITTEN.replace("\n", " ")],
                   check=True, timeout=60)
    return uri


def test_what_the_first_schema_holds_goes_on(earlier, node):
    node.ctl("init", "--database", earlier, "--mqtt-port", 0, "--ws-port", 0)
    node.ctl("up")
    newest = max(int(path.name.split("_")[0]) for path in FIRST.parent.glob("*.sql"))
    assert node.sql("select max(version) from gnatter.migration") == [str(newest)]
    assert node.json("verify") == [] and node.json("migrate") == {"migrations": 0}
    assert [user["user"] for user in node.json("user", "list") if not user["removed"]] == ["alice", "bob"]
    assert [member["role"] for member in node.json("group", "show", "kitchen")["members"]] == ["owner", "member"]
    token = {user: node.ctl("token", user, "phone").stdout.strip() for user in ("alice", "bob")}

    def connect(program, user, *more):
        return subprocess.run([program, "-p", node.conf("mqtt_port"), "-i", f"{user}:phone", "-u", user, "-P", token[user], "-q", "1",
                               *more], text=True, capture_output=True, timeout=60, check=True).stdout
    connect("mosquitto_pub", "alice", "-t", "chat/g/kitchen/m4", "-m", "hello 4")
    heard = connect("mosquitto_sub", "bob", "-t", "inbox/bob/chat/#", "-C", "2", "-W", "30", "-F", "%t %p").splitlines()
    assert heard[0] == "inbox/bob/chat/g/kitchen/3/1003/alice:phone/m3 hello 3"  # what he had not acknowledged then
    assert heard[1].startswith("inbox/bob/chat/g/kitchen/4/") and heard[1].endswith("/alice:phone/m4 hello 4")
