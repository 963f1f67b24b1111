"""A child for tests of the door that tries what no reading child may; answers what came of each attempt."""

import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

given = json.load(sys.stdin)


def tried(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except OSError as error:
        return type(error).__name__
    return "done"


def udp() -> None:
    """A packet that nobody needs to answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as talking:
        talking.sendto(b"x", ("127.0.0.1", given["port"]))


def fork() -> None:
    if os.fork() == 0:
        os._exit(0)
    os.wait()


answers = {
    "read": tried(Path(given["upload"]).read_bytes),
    "read beside": tried(Path(given["beside"]).read_bytes),
    "read passwd": tried(Path("/etc/passwd").read_bytes),
    "list beside": tried(lambda: os.listdir(Path(given["beside"]).parent)),
    "write upload": tried(lambda: os.open(given["upload"], os.O_RDWR)),
    "write beside": tried(lambda: Path(given["beside"]).with_name("new").write_bytes(b"x")),
    "tcp": tried(lambda: socket.create_connection(("127.0.0.1", given["port"]), timeout=1)),
    "udp": tried(udp),
    "unix": tried(lambda: socket.socket(socket.AF_UNIX)),
    "fork": tried(fork),
    "signal": tried(lambda: os.kill(given["parent"], 0)),
    "open files": tried(lambda: [os.dup(0) for _ in range(300)]),
}
if given["exec"]:  # where it is let, nobody answers
    answers["exec"] = tried(lambda: os.execv("/bin/true", ["true"]))
json.dump(answers, sys.stdout)
