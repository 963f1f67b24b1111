"""A child for tests of the door that has a child of its own, which would outlive it; refuses with that one's number."""

import json
import os
import sys
import time

number = os.fork()
if number == 0:
    os.close(1)
    os.close(2)
    time.sleep(600)
    os._exit(0)
json.dump({"error": str(number)}, sys.stdout)
