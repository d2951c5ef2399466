"""The daemon in a network of its own, whose loopback has a public address, too, from which it can be asked."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

PUBLIC = "203.0.113.9"
_SCRIPT = """
    import subprocess, sys, http.client, json, time
    run = lambda *argv: subprocess.run(argv, check=True)
    run("ip", "link", "set", "lo", "up")
    run("ip", "address", "add", sys.argv[1] + "/32", "dev", "lo")
    daemon = subprocess.Popen(sys.argv[3:])
    found = []
    try:
        for source in ("127.0.0.1", sys.argv[1]):
            for method, path in json.loads(sys.argv[2]):
                for _ in range(100):
                    try:
                        asked = http.client.HTTPConnection("127.0.0.1", 8080, source_address=(source, 0))
                        asked.request(method, path)
                        break
                    except OSError:
                        time.sleep(0.1)
                found.append(asked.getresponse().status)
    finally:
        daemon.kill()
    print(json.dumps(found))
"""


def statuses(server, *requests):
    """Of requests as (method, path): how they are answered to this machine, and how to the public address."""
    serve = server.argv("serve", "--root", str(server.root), "--listen", "127.0.0.1:8080")
    argv = ["unshare", "--net", sys.executable, "-c", textwrap.dedent(_SCRIPT), PUBLIC, json.dumps(requests), *serve]
    done = subprocess.run(argv, env=server.environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return found[: len(requests)], found[len(requests) :]
