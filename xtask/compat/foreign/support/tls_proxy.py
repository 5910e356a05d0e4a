"""Terminates TLS in front of a server, for clients that demand https: tls_proxy.py CERTIFICATE KEY PORT."""

import socket
import ssl
import sys
import threading

certificate, key, port = sys.argv[1:]
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(certificate, key)


def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    for connection in (source, target):
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def forward(client):
    try:
        client = context.wrap_socket(client, server_side=True)
        server = socket.create_connection(("127.0.0.1", int(port)))
    except OSError:
        return client.close()
    threading.Thread(target=copy, args=(client, server), daemon=True).start()
    copy(server, client)


listener = socket.create_server(("127.0.0.1", 0))
# The gate looks for an address of this form.
print(f"the proxy listens on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
while True:
    connection, _ = listener.accept()
    threading.Thread(target=forward, args=(connection,), daemon=True).start()
