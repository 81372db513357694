"""Connects to a port again and again until the file `stop` appears.

Writes to `clients` how often it was let in, and to `refused` why it was not.
"""

import os
import socket
import time

count = 0
while not os.path.exists("/tmp/stop"):
    try:
        socket.create_connection(("127.0.0.1", 8080), timeout=20).close()
        count += 1
    except OSError as error:
        with open("/tmp/refused", "a") as file:
            print(time.monotonic(), count, error, file=file, flush=True)
    time.sleep(0.005)
with open("/tmp/clients", "w") as file:
    print(count, file=file)
