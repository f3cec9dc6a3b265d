"""Watching a node: /metrics, /healthz, /readyz, gnatterctl top, and the alarms and the dashboard that use them."""
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from lib.cast import Pool
from lib.node import CTL, PARTS, TOP, Node, alive, wait_until
from lib.ports import free_ports

OPERATING = TOP / "docs/operating"
SAMPLE = re.compile(r'([a-z_]+)(\{[a-z]+="[^"]*"(?:,[a-z]+="[^"]*")*\})? (\S+)')
METRIC = re.compile(r"\b(?:gnatter|process)_[a-z_]+")


@pytest.fixture(scope="module")
def node():
    """With the endpoint, and with push to nowhere, so that every metric is there."""
    node = Node("metrics")
    try:
        node.port, node.ws_port, node.metrics_port, nobody = free_ports(4)
        node.init()
        conf, secret = node.dir / "gnatter.conf", node.dir / "webhook.secret"
        secret.write_text("a secret of enough bytes\n")
        text = conf.read_text()
        assert "\nmetrics_listen = 127.0.0.1\n" in text and "\nmetrics_port = 0\n" in text
        conf.write_text(text.replace("metrics_port = 0\n", f"metrics_port = {node.metrics_port}\nshards = 2\n"
                                     f"push_webhook_url = http://127.0.0.1:{nobody}/\npush_webhook_secret_file = webhook.secret\n"))
        node.ctl("up", timeout=90)
        yield node
    finally:
        node.close(keep_logs=getattr(node, "failed", False))


@pytest.fixture(scope="module")
def pool(node):
    return Pool(node, 30, "watched")


def request(node, path, method="GET", body=None):
    """Status, headers, body."""
    connection = http.client.HTTPConnection("127.0.0.1", node.metrics_port, timeout=10)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()
    finally:
        connection.close()


def scrape(node):
    """{name and labels: value}, the format checked on the way."""
    status, headers, page = request(node, "/metrics")
    assert status == 200 and headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert page.endswith("\n")
    types, values, help_of = {}, {}, set()
    for line in page.splitlines():
        if line.startswith("# HELP "):
            name, text = line[7:].split(" ", 1)
            assert name not in help_of and text.endswith("."), line
            help_of.add(name)
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert name in help_of and name not in types, line
            types[name] = kind
        else:
            name, labels, value = SAMPLE.fullmatch(line).groups()
            family = name if name in types else re.sub(r"_(bucket|sum|count)$", "", name)
            assert family == list(types)[-1], f"{line}: not with its family"
            assert (types[family] == "counter") == name.endswith("_total"), line
            assert name == family or types[family] == "histogram", line
            key = name + (labels or "")
            assert key not in values, line
            values[key] = float(value)
    return values


def ready(node):
    status, headers, body = request(node, "/readyz")
    answer = json.loads(body)
    assert headers["content-type"] == "application/json"
    assert status == (200 if answer["ready"] else 503) and answer["ready"] == (not answer["why"])
    return answer


def moved(node, before, expected, timeout=5):
    """The values as soon as they have moved by that much."""
    def look():
        now = scrape(node)
        differences.update({key: now[key] - before[key] for key in expected})
        return now if all(differences[key] == by for key, by in expected.items()) else None
    differences = {}
    return wait_until(look, timeout, lambda: f"{expected}, but {differences}", 0.1)


def test_paths_and_methods(node):
    assert request(node, "/healthz")[0::2] == (200, '{"alive":true}\n')
    assert request(node, "/readyz")[0::2] == (200, '{"ready":true,"why":[]}\n')
    for path in ("/", "/metrics/", "/Metrics", "/metrics/x", "//metrics", "/..", "/healthz%00", "/" + "x" * 4000):
        assert request(node, path)[0] == 404, path
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"):
        for path in ("/metrics", "/healthz", "/readyz"):
            status, headers, _ = request(node, path, method, "x" * 100000 if method == "POST" else None)
            assert (status, headers["allow"]) == (405, "GET, HEAD"), (method, path)
    status, headers, body = request(node, "/metrics", "HEAD")
    assert status == 200 and int(headers["content-length"]) > 1000 and body == ""
    assert request(node, "/metrics?x=1")[0] == 200
    assert request(node, "/metrics", "GET", "a body that nobody reads")[0] == 200


def test_a_connection_serves_many(node):
    connection = http.client.HTTPConnection("127.0.0.1", node.metrics_port, timeout=10)
    connection.connect()
    before = connection.sock.getsockname()
    for _ in range(5):
        connection.request("GET", "/metrics")
        assert connection.getresponse().read()
        assert connection.sock and connection.sock.getsockname() == before
    connection.close()


def test_on_loopback_only_and_not_for_nonsense(node):
    listening = subprocess.run(["ss", "-Hltn", f"sport = :{node.metrics_port}"], text=True, capture_output=True).stdout
    if listening:
        assert [line.split()[3] for line in listening.splitlines()] == [f"127.0.0.1:{node.metrics_port}"]
    idle = [socket.create_connection(("127.0.0.1", node.metrics_port)) for _ in range(20)]
    with socket.create_connection(("127.0.0.1", node.metrics_port)) as rude:
        rude.sendall(b"\0\xff\r\n\r\n" * 100)
    with ThreadPoolExecutor(4) as threads:  # who says nothing keeps nobody out
        assert {status for status, _, _ in threads.map(lambda _: request(node, "/metrics"), range(40))} == {200}
    for connection in idle:
        connection.close()


def test_values_move_with_traffic(node, cast):
    alice, bob = cast(2, acks=True)
    before = wait_until(lambda: (now := scrape(node))["gnatter_sessions_subscribed"] == 2 and now, what="two devices")
    link = f'{{link="mqtt://127.0.0.1:{node.port}"}}'
    for _ in range(20):
        alice.say(bob.address)
    alice.say(bob.address, mid="once-more")
    alice.say(bob.address, mid="once-more")
    bob.wait_for("chat", count=21)
    assert alice.rpc("conversations")
    assert alice.rpc_code("no.such.method")
    now = moved(node, before, {"gnatter_messages_appended_total": 21, "gnatter_messages_duplicate_total": 1,
                               "gnatter_items_pushed_total": 21, "gnatter_items_redelivered_total": 0,
                               "gnatter_append_batch_messages_sum": 22, "gnatter_rpc_requests_total": 2,
                               "gnatter_rpc_errors_total": 1, "gnatter_rpc_duration_seconds_count": 2})
    assert now["gnatter_records_taken_total"] - before["gnatter_records_taken_total"] >= 24
    for key in (f"gnatter_link_frames_received_total{link}", f"gnatter_link_frames_sent_total{link}",
                "gnatter_sent_bytes_total", "gnatter_append_duration_seconds_sum", "gnatter_rpc_duration_seconds_sum",
                "gnatter_operations_sent_total", "process_cpu_seconds_total"):
        assert now[key] > before[key], key
    assert now[f"gnatter_link_up{link}"] == now["gnatter_ready"] == now["gnatter_database_up"] == 1
    assert now["gnatter_conversations_loaded"] >= 1 and now["gnatter_messages_pending"] == 0
    assert abs(now["process_start_time_seconds"] - time.time()) < 600
    for name in ("gnatter_append_batch_messages", "gnatter_append_duration_seconds", "gnatter_rpc_duration_seconds"):
        buckets = [value for key, value in now.items() if key.startswith(name + "_bucket")]
        assert buckets == sorted(buckets) and buckets[-1] == now[name + "_count"] and len(buckets) > 5, name


def test_what_a_device_does_not_acknowledge_is_seen(node, cast):
    alice, silent = cast(2)
    for _ in range(300):  # more than the window of 256
        alice.send(silent.address)
    silent.wait_for("chat", count=256)
    wait_until(lambda: (now := scrape(node))["gnatter_items_outstanding"] >= 256 and now["gnatter_devices_behind"] == 1,
               what=lambda: str({key: value for key, value in scrape(node).items() if "devices" in key or "items" in key}))
    assert node.json("status")["service"]["behind"] == 1
    silent.ack(alice.address, 256)
    wait_until(lambda: scrape(node)["gnatter_devices_behind"] == 0, what="nobody behind")
    silent.wait_for("chat", seq=300)
    silent.ack(alice.address, 300)


def test_top(node, cast):
    alice, bob = cast(2, acks=True)
    began = time.monotonic()
    with ThreadPoolExecutor(1) as threads:
        sample = threads.submit(node.json, "top")
        while not sample.done():
            alice.say(bob.address)
            time.sleep(0.02)  # below what a device may send, however long the sample takes
    sample, took_s = sample.result(), time.monotonic() - began
    assert sample["per_s"]["messages"] > 0 and sample["per_s"]["pushed"] > 0 and sample["append_ms"] > 0
    assert 0.9 < sample["interval_s"] < took_s + 0.1 and sample["batch_messages"] >= 1
    name = "/".join(["d", *sorted([alice.user, bob.user])])
    def seen():
        service = node.json("status")["service"]
        return [row for key in ("busiest", "slowest") for row in service[key] if row["conversation"] == name]
    rows = wait_until(lambda: len(found := seen()) == 2 and found, what=lambda: f"{name} in {node.json('status')}")
    assert all(row["messages_per_s"] > 0 and row["append_ms"] > 0 for row in rows)
    page = node.ctl("top", "--once").stdout
    assert re.search(r"^devices +\d+ connected", page, re.M) and "messages" in page and name in page


def test_what_brokers_refuse(node, cast):
    """Limits of gnatter.conf apply with a reload; who meets them is told, and counted everywhere."""
    alice, bob = cast(2)
    conf, refused = node.dir / "gnatter.conf", f'gnatter_broker_refused_total{{link="mqtt://127.0.0.1:{node.port}",reason="%s"}}'
    was, before = conf.read_text(), scrape(node)
    try:
        conf.write_text(re.sub(r"(?m)^messages_burst = .*", "messages_burst = 10",
                               re.sub(r"(?m)^messages_per_second = .*", "messages_per_second = 1", was)))
        node.ctl("reload")
        wait_until(lambda: "messages_burst 10\n" in (node.dir / "broker/limits.conf").read_text(), what="limits are written")
        def refusals(count):
            ids = [alice.send(bob.address) for _ in range(count)]
            alice.until(lambda: alice.all_of("sent", id=ids[-1]) or alice.all_of("error", id=ids[-1]), "an answer")
            return [item for mid in ids for item in alice.all_of("error", id=mid)]
        error = wait_until(lambda: refusals(12), what="rate-limited")[0]  # more than the burst, at once
        assert error.word == "rate-limited" and 1 <= json.loads(error.payload)["retry_after_ms"] <= 1000
        assert alice.client.publish("nonsense", b"x", 0).rc == 0
        now = wait_until(lambda: (now := scrape(node))[refused % "not-allowed"] > before[refused % "not-allowed"] and now,
                         what="counted")
        assert now[refused % "device-messages"] - before[refused % "device-messages"] >= 1
        link, = node.json("status")["service"]["links"]
        assert link["broker"]["refused"]["device-messages"] >= 1 and link["broker"]["connections"] >= 2
        assert re.search(r"^ +refused: device-messages \d+", node.ctl("status").stdout, re.M)
        with ThreadPoolExecutor(1) as threads:
            def refused_per_s():
                sample = threads.submit(node.json, "top")
                while not sample.done():
                    alice.send(bob.address)
                    time.sleep(0.01)
                return sample.result()["per_s"]["refused"]
            # brokers tell their counters once a second, and so may do it on either side of one
            wait_until(lambda: refused_per_s() > 1, what="refusals in a sample")
        conf.write_text(was.replace("trusted_addresses = 127", "trusted_addresses = nowhere, 127"))
        assert "trusted_addresses: neither none nor addresses" in node.ctl("reload", check=False).stderr
    finally:
        conf.write_text(was)
        node.ctl("reload")
    wait_until(lambda: not refusals(1), what="the old limits")


def test_top_goes_on_until_it_is_told(node):
    watching = subprocess.Popen([str(CTL), "--dir", str(node.dir), "top"], text=True, stdout=subprocess.PIPE)
    pages = 0
    while pages < 2:
        line = watching.stdout.readline()
        assert line, "it ended"
        pages += line.startswith("service ")
    watching.send_signal(signal.SIGINT)
    assert "\033" not in watching.communicate(timeout=10)[0]
    assert watching.returncode == 0


def test_every_metric_of_dashboard_alarms_and_manual_is_there(node):
    wait_until(lambda: "gnatter_push_oldest_job_seconds" in scrape(node), what="push has looked")
    names = {key.split("{")[0] for key in scrape(node)}
    families = names | {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}
    dashboard = json.loads((OPERATING / "gnatter-dashboard.json").read_text())
    targets = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    rules = [rule for group in yaml.safe_load((OPERATING / "gnatter-alerts.yml").read_text())["groups"]
             for rule in group["rules"]]
    assert len(targets) > 20 and len(rules) > 10
    for text in targets + [rule["expr"] for rule in rules]:
        used = METRIC.findall(text)
        assert (used or text.startswith("up{")) and set(used) <= names, text
        assert text.count("(") == text.count(")") and text.count("{") == text.count("}"), text
    for rule in rules:
        assert {"alert", "expr", "labels", "annotations"} <= set(rule) and rule["labels"]["severity"] in ("page", "ticket")
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    manual = (TOP / "docs/operating.md").read_text().split("\n## Metrics and alarms\n")[1].split("\n## ")[0]
    assert set(re.findall(r"`((?:gnatter|process)_[a-z_]+)`", manual)) <= families


def test_not_ready_while_the_database_is_silent(node, cast):
    """Connected, and nothing comes back: a lock that somebody holds, a disk that hangs."""
    alice, bob = cast(2)
    alice.say(bob.address)
    with closing(node.database()) as holder:  # the lock lasts until all that is said of it was looked at
        holder.autocommit = False
        holder.cursor().execute("lock table gnatter.message in access exclusive mode")
        mid = alice.send(bob.address)
        wait_until(lambda: ready(node)["why"] == ["database-silent"], 10, lambda: str(ready(node)), 0.1)
        assert request(node, "/healthz")[0] == 200
        status = node.ctl("status", check=False)
        assert status.returncode == 1 and "the database is silent" in status.stderr
        now = scrape(node)
        assert max(value for key, value in now.items() if key.startswith("gnatter_shard_database_wait_seconds")) >= 5
        assert now["gnatter_ready"] == 0 and now["gnatter_messages_pending"] == 1
    alice.wait_for("sent", id=mid)
    wait_until(lambda: ready(node)["ready"], 10, "ready again", 0.1)


def test_not_ready_while_postgresql_is_stopped(node, cast):
    alice, bob = cast(2)
    alice.say(bob.address)
    before = scrape(node)
    node.signal("supervisor")  # or it would start what is stopped within a second
    pid = node.signal("postgres", signal.SIGINT)
    wait_until(lambda: not alive(pid), 20, "PostgreSQL ended")
    wait_until(lambda: ready(node)["why"] == ["database-away"], 10, lambda: str(ready(node)), 0.1)
    assert request(node, "/healthz")[0] == 200
    mid = alice.send(bob.address)
    now = scrape(node)
    assert now["gnatter_database_up"] == now["gnatter_ready"] == 0
    assert now["gnatter_database_losses_total"] > before["gnatter_database_losses_total"]
    node.ctl("up", timeout=90)
    wait_until(lambda: ready(node)["ready"], 20, lambda: str(ready(node)), 0.1)
    alice.wait_for("sent", id=mid, timeout=20)
    assert scrape(node)["gnatter_ready"] == 1


def test_not_ready_without_a_link(node):
    node.signal("supervisor")
    old = node.signal("mosquitto")
    wait_until(lambda: ready(node)["why"] == ["no-broker-link"], 10, lambda: str(ready(node)), 0.1)
    assert scrape(node)[f'gnatter_link_up{{link="mqtt://127.0.0.1:{node.port}"}}'] == 0
    assert not alive(old)
    node.ctl("up", timeout=90)
    wait_until(lambda: ready(node)["ready"], 20, lambda: str(ready(node)), 0.1)
    now = scrape(node)
    assert now[f'gnatter_link_connections_total{{link="mqtt://127.0.0.1:{node.port}"}}'] == 2
    assert all(alive(node.pid(part)) for part in PARTS)


def test_a_port_that_is_taken_stops_nobody_from_chatting(node):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        conf = node.dir / "gnatter.conf"
        was = conf.read_text()
        conf.write_text(was.replace(f"metrics_port = {node.metrics_port}", f"metrics_port = {taken.getsockname()[1]}"))
        old = node.signal("syncd", signal.SIGTERM)
        node.wait_restarted("syncd", old)
        node.wait_up()
        assert "no-metrics" in (node.dir / "log/syncd.log").read_text()
        conf.write_text(was)
        old = node.signal("syncd", signal.SIGTERM)
        node.wait_restarted("syncd", old)
    node.wait_up()
    assert ready(node)["ready"]


@pytest.mark.parametrize("line, complaint", [
    ("metrics_listen = localhost", "metrics_listen: expected a numeric IPv4 or IPv6 address"),
    ("metrics_listen =", "metrics_listen: expected a numeric IPv4 or IPv6 address"),
    ("metrics_port = 65536", "metrics_port: expected a number from 0 to 65535 (port)"),
])
def test_a_wrong_address_stops_the_start(tmp_path, line, complaint):
    conf = tmp_path / "gnatter.conf"
    conf.write_text(f"[service]\ndatabase = dbname=x\n{line}\n")
    done = subprocess.run([str(CTL.parent / "gnatter-syncd"), "--config", str(conf), "--check"], text=True,
                          capture_output=True)
    assert done.returncode != 0 and complaint in done.stderr


def test_no_thread_interrupts_who_runs(node):
    threads = [int(thread.name) for thread in Path(f"/proc/{node.pid('syncd')}/task").iterdir()]
    assert len(threads) > 4
    assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_BATCH}
