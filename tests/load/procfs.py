"""What the kernel knows about a process and its children: CPU seconds and memory."""
import os

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def children(pid):
    """Direct children. PostgreSQL's backends are all children of the postmaster."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as stat:
                parent = int(stat.read().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue  # gone meanwhile
        if parent == pid:
            found.append(int(name))
    return found


def cpu_s(pid, with_children=False):
    """User and system seconds used so far; with children also those of the ones already ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    ticks = int(fields[11]) + int(fields[12])
    if with_children:
        ticks += int(fields[13]) + int(fields[14])
    seconds = ticks / TICKS_PER_S
    if with_children:
        seconds += sum(cpu_s(child) for child in children(pid))
    return seconds


def memory_bytes(pid):
    """Proportional set size: shared pages count by share. Falls back to the resident set where that is not readable."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
            for line in rollup:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
