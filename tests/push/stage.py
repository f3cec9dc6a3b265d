"""The stand-ins for the providers, their keys, and a node that is configured for them."""
import json
import os
import subprocess
import time
import urllib.request
from pathlib import Path

from lib.node import Node, wait_until

HERE = Path(__file__).resolve().parent
TEAM, KID, TOPICS = "TEAM123456", "KEY1234567", ["net.example.gnatter", "net.example.other"]
QUIET_S = 1.5  # five times the grace
PROJECT, EMAIL = "gnatter-test", "push@gnatter-test.iam.gserviceaccount.com"


def keep_quiet(seconds=QUIET_S):
    """Before it is said that there was no request: that has no event to wait for."""
    time.sleep(seconds)


def openssl(*args, stdin=None):
    return subprocess.run(["openssl", *map(str, args)], input=stdin, check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout


def base64url(data):
    import base64
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def ec_key(path):
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
    path.chmod(0o644)
    return openssl("pkey", "-in", path, "-pubout").decode()


def ec_point(path):
    return base64url(openssl("pkey", "-in", path, "-pubout", "-outform", "DER")[-65:])


def certificates(folder):
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 2, "-subj", "/CN=Test CA", "-keyout", folder / "ca.key",
            "-out", folder / "ca.crt")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", folder / "server.key",
            "-out", folder / "server.csr")
    (folder / "extensions").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    openssl("x509", "-req", "-days", 2, "-in", folder / "server.csr", "-CA", folder / "ca.crt", "-CAkey", folder / "ca.key",
            "-CAcreateserial", "-extfile", folder / "extensions", "-out", folder / "server.crt")


class Providers:
    """node's servers, and what they have seen."""
    def __init__(self, folder, fcm_lifetime_s=3600):
        self.folder = folder
        folder.mkdir()
        certificates(folder)
        self.apns_public = ec_key(folder / "apns.p8")
        ec_key(folder / "webpush.pem")
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", folder / "fcm.pem")
        (folder / "webhook.secret").write_text("a secret of some length\n")
        (folder / "config.json").write_text(json.dumps({
            "apns": {"public": self.apns_public, "kid": KID, "team": TEAM, "topics": TOPICS},
            "fcm": {"public": openssl("pkey", "-in", folder / "fcm.pem", "-pubout").decode(), "email": EMAIL,
                    "project": PROJECT, "lifetime_s": fcm_lifetime_s},
            "webpush": {"public": ec_point(folder / "webpush.pem")},
            "webhook": {"secret": "a secret of some length"}}))
        subprocess.run([HERE.parent / "lib" / "npm.sh", HERE], check=True)
        self.process = subprocess.Popen(["node", str(HERE / "providers.mjs"), str(folder)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.ports = json.loads(self.process.stdout.readline())
        self.account()

    def account(self, key="fcm.pem"):
        (self.folder / "fcm.json").write_text(json.dumps({
            "type": "service_account", "project_id": PROJECT, "private_key_id": "abc123", "client_email": EMAIL,
            "private_key": (self.folder / key).read_text(), "token_uri": f"https://127.0.0.1:{self.ports['fcm']}/token"}))

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)

    def url(self, provider, host="127.0.0.1"):
        return f"https://{host}:{self.ports[provider]}"

    def control(self, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports['control']}{path}",
                                         None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    def reset(self):
        self.control("/reset", {})

    def answer(self, provider, *answers, **fields):
        """The next requests to this provider are answered so."""
        self.control("/answers", [{"provider": provider, **answer} for answer in answers or [fields]])

    def requests(self, provider, token=None):
        """Wake-ups that came (not FCM's token requests)."""
        return [r for r in self.control("/requests") if r["provider"] == provider and not r.get("is_token")
                and (token is None or r.get("token") == token)]

    def token_requests(self):
        return [r for r in self.control("/requests") if r.get("is_token")]

    def subscription(self):
        return self.control("/subscription", {})

    def wait(self, provider, token=None, count=1, timeout=15):
        wait_until(lambda: len(self.requests(provider, token)) >= count, timeout,
                   lambda: f"{count} x {provider} {token}; there are {[(r['provider'], r.get('token'), r.get('wrong')) for r in self.control('/requests')]}", 0.05)
        return self.requests(provider, token)

    def config(self, **more):
        """Lines for [service]."""
        keys = {
            "flush_after_ms": 50,  # acknowledgements are in the database well within the grace
            "push_grace_ms": 300, "push_timeout_ms": 3000, "push_ca_file": self.folder / "ca.crt",
            "push_allow_private_addresses": "yes",
            "push_apns_key_file": self.folder / "apns.p8", "push_apns_key_id": KID, "push_apns_team_id": TEAM,
            "push_apns_topics": ", ".join(TOPICS), "push_apns_url": self.url("apns"),
            "push_apns_sandbox_url": self.url("apns", "localhost"),
            "push_fcm_account_file": self.folder / "fcm.json", "push_fcm_url": self.url("fcm"),
            "push_webpush_key_file": self.folder / "webpush.pem", "push_webpush_subject": "mailto:push@example.net",
            "push_webhook_url": self.url("webhook") + "/hook", "push_webhook_secret_file": self.folder / "webhook.secret",
            "log_level": "debug", **more}
        return "".join(f"{key} = {value}\n" for key, value in keys.items() if value is not None)


def configure(node, lines):
    path = node.dir / "gnatter.conf"
    text = path.read_text()
    if "# push for tests" in text:
        begin = text.index("# push for tests")
        text = text[:begin] + text[text.index("# end of push", begin) + len("# end of push\n"):]
    path.write_text(text.replace("[service]\n", f"[service]\n# push for tests\n{lines}# end of push\n", 1))


class PushNode(Node):
    """A node with push, and what the tests ask it."""
    def __init__(self, name, **config):
        super().__init__(name)
        self.providers = Providers(self.home / "push")
        self.config = config
        self.users = 0

    def begin(self):
        self.init()
        configure(self, self.providers.config(**self.config))
        self.up()

    def close(self, keep_logs=False):
        try:
            super().close(keep_logs)
        finally:
            self.providers.close()

    def reload(self):
        os.kill(self.pid("syncd"), 1)

    def push_status(self, provider):
        status = self.json("status")["service"]["push"]
        return next(p for p in status["providers"] if p["provider"] == provider)

    def job(self, client_id):
        """(state, attempt, reason) of the device's last wake-up."""
        user, device = client_id.split(":")
        rows = self.sql(f"""select j.state, j.attempt, coalesce(j.reason, '') from gnatter.push_job j
            join gnatter.device d on d.device_id = j.device_id join gnatter.user_account u on u.user_id = d.user_id
            where u.name = '{user}' and d.name = '{device}' order by j.job_id desc limit 1""")
        return tuple(rows[0]) if rows else None

    def wait_ended(self, client_id, state, timeout=15):
        """Until one of the device's wake-ups has ended so; its reason. Others may have come after it."""
        user, device = client_id.split(":")
        return wait_until(lambda: [row[0] for row in self.sql(f"""select coalesce(j.reason, '-') from gnatter.push_job j
            join gnatter.device d on d.device_id = j.device_id join gnatter.user_account u on u.user_id = d.user_id
            where u.name = '{user}' and d.name = '{device}' and j.state = '{state}' order by j.job_id""")], timeout,
            lambda: f"{client_id} {state}; it is {self.job(client_id)}", 0.1)[0]

    def wait_job(self, client_id, state, timeout=15):
        wait_until(lambda: (self.job(client_id) or [None])[0] == state, timeout,
                   lambda: f"{client_id} {state}; it is {self.job(client_id)}", 0.1)
        return self.job(client_id)

    def registered(self, client_id):
        user, device = client_id.split(":")
        rows = [r for r in self.json("push", "list", user) if r["device"] == device]
        return rows[0] if rows else None

    def lose_listener(self):
        """The connection that hears of registrations and of `push resume` is lost, and there is another one."""
        listening = "select pid from pg_locks where locktype = 'advisory' and classid = 451445956 and granted"
        before = self.sql_value(listening)
        self.sql(f"select pg_terminate_backend({before}, 5000)")
        wait_until(lambda: self.sql_value(listening) not in (None, before), 15, "another one has")

    def go(self):
        """What waits for its time goes now."""
        self.sql("update gnatter.push_job set due_at = now() where finished_at is null")
