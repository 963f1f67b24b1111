"""A child for tests of the door: answers with what it was given and what it sees."""

import json
import os
import sys

payload = json.load(sys.stdin)
if "refuse" in payload:
    json.dump({"error": payload["refuse"]}, sys.stdout)
else:
    json.dump({"said": len(payload["say"]), "environment": list(os.environ)}, sys.stdout)
