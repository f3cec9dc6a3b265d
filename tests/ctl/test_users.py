"""Users, devices, groups, tokens: on a node that is up."""
import base64
import json
import subprocess
import time

import pytest

from conftest import CTL


def decode(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def claims(token):
    header, body, _ = token.strip().split(".")
    return decode(header), decode(body)


def test_user_add_once(up):
    up.ctl("user", "add", "ann")
    assert "ann" in up.refused("user", "add", "ann")
    up.ctl("user", "add", "ann", "--if-missing")
    assert up.json("user", "show", "ann")["user"] == "ann"
    assert "ann" in [user["user"] for user in up.json("user", "list")]
    assert "ann" in up.ctl("user", "list").stdout


@pytest.mark.parametrize("name", ["Ann", "", "a b", "a/b", "-x", "ä", "a" * 33, "a'b", "$gnatter", "a\nb"])
def test_names_that_are_none(up, name):
    up.refused("user", "add", "--", name)
    assert name not in [user["user"] for user in up.json("user", "list")]


def test_user_remove_never_frees_the_name(up):
    up.ctl("user", "add", "gone")
    up.ctl("user", "add", "stays")
    up.ctl("group", "create", "left", "--owner", "stays", "--member", "gone")
    up.ctl("token", "gone", "d")
    up.ctl("user", "remove", "gone")
    up.refused("user", "add", "gone")
    up.refused("user", "remove", "gone")
    up.refused("token", "gone", "d")
    assert up.json("user", "show", "gone")["devices"] == []
    assert up.json("user", "show", "gone")["removed"] is not None
    assert [m["user"] for m in up.json("group", "show", "left")["members"]] == ["stays"]
    assert up.refused("user", "show", "nobody-here")


def test_devices(up):
    up.ctl("user", "add", "dora")
    up.ctl("device", "add", "dora", "phone")
    up.ctl("device", "add", "dora", "lamp", "--ack", "auto")
    up.refused("device", "add", "dora", "phone")
    up.ctl("device", "add", "dora", "phone", "--if-missing")
    assert {d["device"]: d["ack"] for d in up.json("device", "list", "dora")} == {"lamp": "auto", "phone": "explicit"}
    up.ctl("device", "revoke", "dora", "lamp")
    up.refused("device", "revoke", "dora", "lamp")
    assert [d["device"] for d in up.json("device", "list", "dora")] == ["phone"]
    up.refused("device", "list", "nobody-here")
    up.refused("device", "add", "nobody-here", "phone")


def test_token_claims(up):
    up.ctl("user", "add", "tom")
    before = int(time.time())
    header, body = claims(up.ctl("token", "tom", "phone", "--ttl", "2h").stdout)
    assert header == {"alg": "EdDSA", "kid": up.json("keys", "list")[-1]["kid"]}  # each connection keeps it in memory:
    assert set(body) == {"sub", "dev", "iat", "exp"}                               # no more in it than must be
    assert (body["sub"], body["dev"]) == ("tom", "phone")
    assert before <= body["iat"] <= time.time() + 1
    assert before + 7200 <= body["exp"] <= time.time() + 7201
    assert [d["device"] for d in up.json("device", "list", "tom")] == ["phone"]
    answer = up.json("token", "tom", "phone")
    assert answer["client_id"] == "tom:phone"
    assert abs(claims(answer["token"])[1]["exp"] - time.time() - 30 * 86400) < 60
    up.refused("token", "nobody-here", "phone")
    up.refused("token", "tom", "Not A Name")


def test_a_token_after_a_revocation_is_not_older_than_it(up):
    up.ctl("user", "add", "rita")
    up.ctl("token", "rita", "phone")
    up.ctl("device", "revoke", "rita", "phone")
    _, body = claims(up.ctl("token", "rita", "phone").stdout)
    [valid_after] = up.sql("select ceil(extract(epoch from tokens_valid_after))::bigint from gnatter.devices"
                           " where user_name = 'rita'")
    assert body["iat"] >= int(valid_after)
    up.ctl("user", "revoke", "rita")
    _, body = claims(up.ctl("token", "rita", "phone").stdout)
    [valid_after] = up.sql("select ceil(extract(epoch from tokens_valid_after))::bigint from gnatter.users"
                           " where user_name = 'rita'")
    assert body["iat"] >= int(valid_after)


def test_bulk_add(up):
    out = up.home / "bulk.tsv"
    begin = time.monotonic()
    up.ctl("bulk-add", "--count", 2000, "--out", out)
    assert time.monotonic() - begin < 30
    assert out.stat().st_mode & 0o777 == 0o600
    rows = [line.split("\t") for line in out.read_text().splitlines()]
    assert [row[:2] for row in rows] == [[f"load{i}:d", f"load{i}"] for i in range(2000)]
    assert claims(rows[7][2])[1]["sub"] == "load7" and claims(rows[7][2])[1]["dev"] == "d"
    out.chmod(0o644)
    up.ctl("bulk-add", "--count", 3, "--prefix", "load", "--device", "e", "--out", out)
    assert out.stat().st_mode & 0o777 == 0o600
    assert [line.split("\t")[0] for line in out.read_text().splitlines()] == ["load0:e", "load1:e", "load2:e"]
    assert len(up.json("device", "list", "load0")) == 2
    up.ctl("bulk-add", "--count", 3, "--out", out)  # again: nothing twice
    assert len(up.json("device", "list", "load0")) == 2
    up.refused("bulk-add", "--count", 3, "--prefix", "Not A Name", "--out", out)
    up.refused("bulk-add", "--count", 3, "--out", "/nowhere/at/all")


def test_groups(up):
    for user in ("gina", "gus", "gerd"):
        up.ctl("user", "add", user)
    up.ctl("group", "create", "kitchen", "--owner", "gina", "--member", "gus", "--title", "The Kitchen")
    up.refused("group", "create", "kitchen", "--owner", "gina")
    up.refused("group", "create", "other", "--owner", "nobody-here")
    up.ctl("group", "add", "kitchen", "gerd")
    up.refused("group", "add", "kitchen", "nobody-here")
    up.refused("group", "add", "no-such-group", "gus")
    up.ctl("group", "role", "kitchen", "gus", "admin")
    up.refused("group", "role", "kitchen", "gus", "emperor")
    group = up.json("group", "show", "kitchen")
    assert {m["user"]: m["role"] for m in group["members"]} == {"gerd": "member", "gina": "owner", "gus": "admin"}
    assert group["title"] == "The Kitchen"
    up.ctl("group", "remove", "kitchen", "gerd")
    up.refused("group", "remove", "kitchen", "gerd")
    up.ctl("group", "rename", "kitchen", "Cellar")
    assert up.json("group", "show", "kitchen")["title"] == "Cellar"
    assert "gina" in up.ctl("group", "show", "kitchen").stdout
    assert "kitchen" in [group["group"] for group in up.json("group", "list")]
    events = up.sql("select event_type from gnatter.messages where conversation = 'g/kitchen' order by seq")
    assert events == ["created", "member-added", "role-changed", "member-removed", "renamed"]
    up.ctl("group", "delete", "kitchen")
    up.refused("group", "delete", "kitchen")
    up.refused("group", "create", "kitchen", "--owner", "gina")
    up.refused("group", "show", "no-such-group")


def test_many_members_and_odd_text(up):
    up.ctl("user", "add", "mona")
    up.ctl("bulk-add", "--count", 50, "--prefix", "mm", "--out", up.home / "m.tsv")
    members = [word for i in range(50) for word in ("--member", f"mm{i}")]
    title = "it's \"quoted\" \\ {a,b} \u00e4\u4e16"
    up.ctl("group", "create", "many", "--owner", "mona", "--title", title, *members)
    group = up.json("group", "show", "many")
    assert len(group["members"]) == 51 and group["title"] == title
    up.refused("group", "create", "injected", "--owner", "mona", "--member", "mm0\",\"mm1")


def test_what_users_write_stays_in_its_place(up):
    """A title with controls moves nobody's cursor and begins no line; scripts get it as it is."""
    up.ctl("user", "add", "cora")
    title = "a\x1b[2Jb\nc\u009bd\u00e9\x7f"
    up.ctl("group", "create", "controls", "--owner", "cora", "--title", title)
    [line] = [line for line in up.ctl("group", "list").stdout.split("\n") if line.startswith("controls ")]
    assert "a?[2Jb?c??d\u00e9?" in line and "a?[2Jb?c??d\u00e9? " in up.ctl("group", "show", "controls").stdout
    assert up.json("group", "show", "controls")["title"] == title


def test_verify_and_what_it_finds(up):
    assert up.json("verify") == []
    up.ctl("user", "add", "vera")
    up.ctl("group", "create", "broken", "--owner", "vera")
    up.sql("update gnatter.conversation set last_seq = last_seq + 5 where name = 'g/broken'")
    done = up.ctl("--json", "verify", check=False)
    assert done.returncode == 1 and any(row["conversation"] == "g/broken" for row in json.loads(done.stdout))
    assert "invariant" in done.stderr
    up.sql("update gnatter.conversation set last_seq = last_seq - 5 where name = 'g/broken'")
    up.ctl("verify")


def test_timer(up):
    up.ctl("user", "add", "tim")
    up.ctl("group", "create", "brief", "--owner", "tim")
    assert up.json("timer", "g/brief", "1h") == {"seq": 2}
    assert "disappear after 7d" in up.ctl("timer", "g/brief", "7d").stdout
    assert up.sql("select event ->> 'seconds' from gnatter.messages where conversation = 'g/brief' and seq = 3") == ["604800"]
    assert "stay" in up.ctl("timer", "g/brief", "off").stdout
    assert up.ctl("timer", "g/brief", "5s", check=False).returncode == 1
    assert up.ctl("timer", "g/brief", "soon", check=False).returncode == 2
    assert up.ctl("timer", "g/nowhere", "1h", check=False).returncode == 1


def test_purge(up):
    up.ctl("user", "add", "pia")
    up.ctl("group", "create", "old", "--owner", "pia")
    assert up.json("purge", "--older-than", "1d", "--conversation", "g/old") == {"purged": 0}
    up.ctl("purge", "--delivered", "--conversation", "g/old")
    assert "no such conversation: g/odl (g/<group>, or d/" in up.refused("purge", "--older-than", "1d", "--conversation", "g/odl")


def test_purge_takes_one_conversation_at_a_time(up):
    """A deadlock in one is tried again a few times, and what the others have lost by then they have lost."""
    up.ctl("user", "add", "pat")
    for group in ("old-1", "old-2"):
        up.ctl("group", "create", group, "--owner", "pat")
    up.sql("update gnatter.message m set time_ms = 1 from gnatter.conversation c"
           " where c.conversation_id = m.conversation_id and c.name in ('g/old-1', 'g/old-2');"
           " create sequence deadlocks; create function deadlock() returns trigger language plpgsql security definer as $$ begin"
           "   if nextval('public.deadlocks') < 9 then"
           "     raise exception using errcode = 'deadlock_detected', message = 'in a circle'; end if; return old; end $$;"
           " do $$ begin execute format('create trigger circle before delete on gnatter.message for each row"
           "   when (old.conversation_id = %s) execute function deadlock()',"
           "   (select conversation_id from gnatter.conversation where name = 'g/old-2')); end $$")
    try:
        assert "in a circle" in up.refused("purge", "--older-than", "1d")
        assert up.sql("select name from gnatter.conversation where first_seq > last_seq and name like 'g/old-_'") == ["g/old-1"]
        assert up.json("purge", "--older-than", "1d") == {"purged": 1}
    finally:
        up.sql("drop trigger circle on gnatter.message; drop function deadlock(); drop sequence deadlocks")


def test_what_is_not_there_is_refused(up):
    up.ctl("user", "add", "una")
    for args in (["block", "list"], ["push", "list"], ["privacy", "show"]):
        assert "no such user: nobodyx" in up.refused(*args, "nobodyx")
    assert "una blocks nobody" in up.ctl("block", "list", "una").stdout
    assert "none of una's devices" in up.ctl("push", "list", "una").stdout
    assert "nobody blocks anybody" in up.ctl("block", "list").stdout
    assert up.json("block", "list", "una") == up.json("push", "list", "una") == []
    assert "no such push provider: apsn" in up.refused("push", "resume", "apsn")
    assert up.json("push", "resume", "apns") == up.json("push", "resume") == {"resumed": 0}


def test_privacy(up):
    up.ctl("user", "add", "pru")
    assert "read_receipts is yes or no" in up.refused("privacy", "set", "pru", "read_receipts", "true")
    assert "everyone or contacts" in up.refused("privacy", "set", "pru", "online", "yes")
    up.ctl("privacy", "set", "pru", "read_receipts", "no")
    shown = up.json("privacy", "show", "pru")
    assert (shown["user"], shown["read_receipts"], shown["online"]) == ("pru", False, "contacts")
    names, values = (line.split() for line in up.ctl("privacy", "show", "pru").stdout.splitlines())
    assert values[names.index("read_receipts")] == "no"


def test_psql(up):
    assert "--json" not in up.ctl("psql", "--help").stdout
    assert up.ctl("psql", "-v", "ON_ERROR_STOP=1", stdin="select broken;", check=False).returncode == 3  # psql's own
    assert up.sql("select 1 + 1") == ["2"]
    assert up.ctl("psql", "-X", "-At", stdin="select current_database();").stdout == "gnatter\n"
    assert up.ctl("psql", "-c", "select broken", check=False).returncode == 1
    assert up.sql("show fsync") == ["on"] and up.sql("show synchronous_commit") == ["on"]
    assert up.sql("show listen_addresses") == ["127.0.0.1"] and up.sql("show unix_socket_directories") == [""]


def test_keys_of_two_at_once(up):
    """Nobody's change is lost, and what was retired stays so."""
    def at_once(commands):
        started = [subprocess.Popen([str(CTL), "--dir", str(up.dir), "--json", "keys", *words], stdout=subprocess.PIPE, text=True)
                   for words in commands]
        said = [process.communicate(timeout=60)[0] for process in started]
        assert all(process.returncode == 0 for process in started), said
        return [json.loads(text).get("kid") for text in said]

    def listed():
        return [key["kid"] for key in up.json("keys", "list")]
    [first] = listed()
    made = at_once([["add"]] * 6)
    assert sorted(listed()) == sorted([first, *made]) and len(set(made)) == 6
    left = at_once([["retire", kid] for kid in made[:3]] + [["add"]] * 3)[3:]
    assert sorted(listed()) == sorted([first, *made[3:], *left])
    assert sorted(path.stem for path in (up.dir / "keys").glob("*.key")) == sorted(listed())
    at_once([["retire", kid] for kid in listed()[1:]])


def test_keys_rotate(up):
    up.ctl("user", "add", "kim")
    [old] = [key["kid"] for key in up.json("keys", "list")]
    new = up.json("keys", "add")["kid"]
    assert claims(up.ctl("token", "kim", "phone").stdout)[0]["kid"] == new
    assert (up.dir / "keys" / f"{new}.key").stat().st_mode & 0o777 == 0o600
    up.ctl("keys", "retire", old)
    assert [key["kid"] for key in up.json("keys", "list")] == [new]
    assert not (up.dir / "keys" / f"{old}.key").exists()
    up.refused("keys", "retire", old)
    up.refused("keys", "retire", new)  # the last one that can sign
    up.ctl("reload")
