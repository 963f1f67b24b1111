"""A child for tests of the door: answers with what it was given and what it sees."""

import json
import mmap
import os
import resource
import sys
import time

payload = json.load(sys.stdin)
# Never touched, so that nobody sees it held: private memory, and addresses alone.
held = [mmap.mmap(-1, payload["hold"], flags=mmap.MAP_PRIVATE)] if "hold" in payload else []
held += [mmap.mmap(-1, payload["reserve"])] if "reserve" in payload else []
if "spike" in payload:
    with mmap.mmap(-1, payload["spike"]) as shared:  # shared: no limit of the kernel's counts it
        for page in range(0, len(shared), mmap.PAGESIZE):
            shared[page] = 1
    time.sleep(1)
while "endless" in payload:
    sys.stdout.write("x" * 2**16)
if "refuse" in payload:
    json.dump({"error": payload["refuse"]}, sys.stdout)
else:
    core = resource.getrlimit(resource.RLIMIT_CORE)
    json.dump({"said": len(payload["say"]), "environment": list(os.environ), "core": core}, sys.stdout)
