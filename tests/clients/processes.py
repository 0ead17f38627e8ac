"""What /proc says about a server: is it alive, and which of its descriptors are which connection."""

import os

LISTEN = "0A"


def stat_fields(pid):
    """State, parent and session of a process, or None when it is gone (proc(5))."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], int(fields[1]), int(fields[3])


def alive(pid):
    fields = stat_fields(pid)
    return fields is not None and fields[0] not in "ZX"


def family(pid):
    """The process, its descendants, and what else is in its session."""
    table = {int(name): stat_fields(int(name)) for name in os.listdir("/proc") if name.isdigit()}
    table = {number: fields for number, fields in table.items() if fields}
    members = {pid} | {number for number, fields in table.items() if fields[2] == pid}
    grown = True
    while grown:
        more = {number for number, fields in table.items() if fields[1] in members} - members
        members |= more
        grown = bool(more)
    return members


def connections(port):
    """inode -> peer's port of every connection of the local port `port` that is not listening."""
    found = {}
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(name, encoding="ascii") as file:
            for line in list(file)[1:]:
                fields = line.split()
                local, peer = (int(address.split(":")[1], 16) for address in fields[1:3])
                if local == port and fields[3] != LISTEN and fields[9] != "0":
                    found[fields[9]] = peer
    return found


def sockets_with_peers(pid, port, peers):
    """Descriptors ("pid/fd") of the server that are connections to one of the ports `peers`."""
    inodes = {inode for inode, peer in connections(port).items() if peer in set(peers)}
    found = []
    for member in family(pid):
        directory = "/proc/%d/fd" % member
        try:
            names = os.listdir(directory)
        except OSError:
            continue
        for name in names:
            try:
                target = os.readlink("%s/%s" % (directory, name))
            except OSError:
                continue
            if target.startswith("socket:[") and target[8:-1] in inodes:
                found.append("%d/%s" % (member, name))
    return found
