# A server under tests/containers/rotation.rs: answers each request with its password
# and who it is, and when told to end, ends after the request at hand.
import os, select, signal, socket

listener = socket.socket(fileno=3)
listener.setblocking(False)
stopping = []
signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
answer = f"{os.environ['PASSWORD']} {os.environ['LITHOS_NAME']}".encode()
while not stopping:
    if not select.select([listener], [], [], 0.05)[0]:
        continue
    try:
        connection, _ = listener.accept()
    except BlockingIOError:  # another instance was faster
        continue
    with connection:
        connection.setblocking(True)
        request = b""
        while not request.endswith(b"\n"):
            part = connection.recv(100)
            if not part:
                break
            request += part
        connection.sendall(answer)
