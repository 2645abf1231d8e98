# SPDX-License-Identifier: Apache-2.0
"""A backend that answers with an interim status: nobody asked for a tunnel, so there is none."""
import contextlib
import socket
import threading

import pytest

ANSWERS = {
    101: b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nTUNNEL",
    199: b"HTTP/1.1 199 Odd\r\nContent-Length: 0\r\n\r\n",
}


@contextlib.contextmanager
def backend_that_says(answer):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def run():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(65536)
                        connection.sendall(answer)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


@pytest.mark.parametrize("status", ANSWERS)
def test_an_interim_answer_is_502(make_gateway, status):
    with backend_that_says(ANSWERS[status]) as port:
        gateway = make_gateway(backend_port=port)
        answer = gateway.signed_in(gateway.users["trader"]).get("/api/bots", headers={"Upgrade": "websocket", "Connection": "Upgrade"})
        assert answer.status_code == 502 and "TUNNEL" not in answer.text
