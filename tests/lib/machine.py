"""A machine in trouble: what tests/fault/machine.c plays in a node's processes, told by a file that they have mapped."""
import shutil
import struct

from .node import TOP

LIBRARY = TOP / "build" / "tests" / "machine.so"
BYTES, FOLDER_BYTES, LIBRARY_BYTES = 8192, 4096, 64
CLOCKS = ("postgres", "mosquitto", "syncd")  # the order in machine.c


class Machine:
    """Made before the node is up."""
    def __init__(self, node):
        library, self.control = node.home / "machine.so", node.home / "machine.control"
        shutil.copy(LIBRARY, library)
        self.control.write_bytes(bytes(BYTES))
        for path in (library, self.control):
            path.chmod(0o755)  # for the accounts of the parts
        node.env.update(LD_PRELOAD=str(library), MACHINE_CONTROL=str(self.control))

    def write(self, at, data):
        with open(self.control, "r+b", buffering=0) as out:
            out.seek(at)
            out.write(data)

    def fill_disk(self, folder):
        """The disk of that folder has no room; None: there is."""
        self.write(0, (str(folder) if folder else "").encode().ljust(FOLDER_BYTES, b"\0"))

    def set_clock(self, parts, ahead_ms):
        """Their wall clock is so much ahead of the true one."""
        for part in parts:
            self.write(FOLDER_BYTES + 8 * CLOCKS.index(part), struct.pack("=q", ahead_ms))

    def refuse_threads(self, library):
        """None that runs this library's code can be made ("" for none refused)."""
        self.write(FOLDER_BYTES + 8 * len(CLOCKS), library.encode().ljust(LIBRARY_BYTES, b"\0"))

    def silence_names(self, library):
        """This library waits for the address of a host ("" for none that does)."""
        self.write(FOLDER_BYTES + 8 * len(CLOCKS) + LIBRARY_BYTES, library.encode().ljust(LIBRARY_BYTES, b"\0"))
