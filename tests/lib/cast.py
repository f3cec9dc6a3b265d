"""Users and devices for a test: fresh ones each time, from a pool that is made once."""
import itertools

from .device import Device


class User:
    def __init__(self, cast, name, tokens):
        self.cast, self.node, self.name, self.tokens = cast, cast.node, name, tokens
        self.address = f"u/{name}"

    def device(self, name="d", connect=True, v5=False, acks=False, **options):
        """Registers the device when it is new, and connects it unless told otherwise."""
        if name not in self.tokens:
            self.tokens[name] = self.node.token(self.name, name)
        device = Device(self.node, f"{self.name}:{name}", self.tokens[name], v5=v5, acks=acks)
        self.cast.devices.append(device)
        if connect:
            device.connect(**options)
        return device


class Pool:
    """Users made many at a time. Taken from the front, never given back."""
    def __init__(self, node, count, prefix):
        self.node, self.count, self.prefix = node, count, prefix
        self.batches, self.rows = itertools.count(1), []

    def take(self):
        """Client id, user, token."""
        if not self.rows:
            # the trailing letter keeps user1 of the eleventh batch apart from user11 of the first
            self.rows = self.node.bulk(self.count, f"{self.prefix}{next(self.batches)}x")
        return self.rows.pop(0)


class Cast:
    """Those who act in one test."""
    numbers = itertools.count(1)

    def __init__(self, node, pool):
        self.node, self.pool, self.devices = node, pool, []

    def user(self):
        client_id, user, token = self.pool.take()
        return User(self, user, {client_id.split(":")[1]: token})

    def users(self, count):
        return [self.user() for _ in range(count)]

    def __call__(self, count, **options):
        """Connected devices of that many fresh users."""
        return [user.device(**options) for user in self.users(count)]

    def name(self, stem):
        """A name that nobody has yet."""
        return f"{stem}-{next(self.numbers)}"

    def group(self, owner, *members):
        """A new group, made by an administrator; returns how devices name it."""
        name = self.name("group")
        extra = [word for member in members for word in ("--member", getattr(member, "user", None) or member.name)]
        self.node.ctl("group", "create", name, "--owner", getattr(owner, "user", None) or owner.name, *extra)
        return f"g/{name}"

    def end(self):
        """Disconnects everybody; returns what they received and should not have."""
        for device in self.devices:
            device.stop()
        return [problem for device in self.devices for problem in device.problems]
