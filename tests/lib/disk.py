"""A disk of a node that can be filled up: a small tmpfs where we may mount, else the preloaded tests/fault/machine.c."""
import os
import shutil
import subprocess

from .machine import Machine

MIB = 1 << 20


def mount_refusal(scratch):
    """Why this process cannot mount; None when it can. `scratch`: an empty folder."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(scratch)], capture_output=True,
                          text=True, check=False)
    if done.returncode == 0:
        subprocess.run(["umount", str(scratch)], check=True)
        return None
    return done.stderr.strip() or f"mount: exit status {done.returncode}"


class Mounted:
    """A tmpfs in the place of a folder, with what was in it and a little room. The node is down when it is made."""
    def __init__(self, node, folder, room_bytes):
        self.home, self.path, aside = node.home, node.dir / folder, node.home / "aside"
        self.filler = self.path / "filler"
        about = self.path.stat()
        used = sum(path.lstat().st_blocks * 512 + 4096 for path in self.path.rglob("*"))
        self.path.rename(aside)
        self.path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={used + room_bytes}", "none", str(self.path)], check=True)
        self.path.chmod(about.st_mode & 0o7777)
        os.chown(self.path, about.st_uid, about.st_gid)
        subprocess.run(["cp", "-a", f"{aside}/.", str(self.path)], check=True)
        shutil.rmtree(aside)

    def fill(self):
        """To the last block, also when some have come free since the last time."""
        with open(self.filler, "ab", buffering=0) as out:
            for size in (MIB, 4096):
                try:
                    while True:
                        out.write(bytes(size))
                except OSError:
                    pass

    def free(self):
        self.filler.unlink(missing_ok=True)

    def close(self):
        """The node has been closed: what it could not remove goes too."""
        subprocess.run(["umount", "-l", str(self.path)], check=True)
        shutil.rmtree(self.home, ignore_errors=True)


class Preloaded:
    """The same by a library that every process of the node has: made before the node is up."""
    def __init__(self, node, folder, _room_bytes=0):
        self.path, self.machine = os.path.realpath(node.dir / folder), Machine(node)

    def fill(self):
        self.machine.fill_disk(self.path)

    def free(self):
        self.machine.fill_disk(None)

    def close(self):
        """Gone with the node's folder."""
