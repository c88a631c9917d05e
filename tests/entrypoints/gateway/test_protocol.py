"""Bytes on the wire: what is not a plain request is answered all the same, and what is too slow or too big is cut."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn

from mooring.entrypoints.gateway import GatewaySettings, create_app
from mooring.records.receipt import Receipt, commit_input, commit_output

IMPATIENT = GatewaySettings(read_timeout_s=0.5, keep_alive_s=1.0)


@contextmanager
def wire(world: Any) -> Iterator[socket.socket]:
    with socket.create_connection((world.server.host, world.server.port), timeout=10) as sock:
        yield sock


def head(world: Any, body: bytes, *fields: str, path: str = "/v2/models/triage/infer", version: str = "1.1") -> bytes:
    lines = [f"POST {path} HTTP/{version}", "Host: test", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join([*lines, "", ""]).encode()


def read_answer(sock: socket.socket, seen: bytes = b"") -> tuple[int, dict[str, str], bytes, bytes]:
    """Return status, header fields, body, and what follows."""
    while b"\r\n\r\n" not in seen:
        piece = sock.recv(65536)
        assert piece, f"the connection ended after {seen!r}"
        seen += piece
    start, _, rest = seen.partition(b"\r\n\r\n")
    lines = start.decode("latin-1").split("\r\n")
    fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
    while len(rest) < int(fields["content-length"]):
        rest += sock.recv(65536)
    length = int(fields["content-length"])
    return int(lines[0].split()[1]), fields, rest[:length], rest[length:]


def ended(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_plain_answer_carries_date_type_length_and_receipt_and_the_connection_goes_on(world: Any) -> None:
    body = world.body()
    with wire(world) as sock:
        for index in range(3):
            sock.sendall(head(world, body) + body)
            status, fields, _, rest = read_answer(sock)
            assert (status, rest) == (200, b"")
            assert fields["content-type"] == "application/json"
            assert fields["date"].endswith("GMT")
            assert "server" not in fields
            response = httpx.Response(200, headers=fields)
            assert world.receipt(response).index == index


def test_a_request_may_come_byte_by_byte(world: Any) -> None:
    body = world.body()
    with wire(world) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in head(world, body) + body:
            sock.sendall(bytes([byte]))
        assert read_answer(sock)[0] == 200


def test_pipelined_requests_are_answered_in_order(world: Any) -> None:
    bodies = [world.body([float(n)] * 30, id=f"request-{n}") for n in range(6)]
    with wire(world) as sock:
        sock.sendall(b"".join(head(world, body) + body for body in bodies))
        rest, indexes = b"", []
        for n, body in enumerate(bodies):
            status, fields, answer, rest = read_answer(sock, rest)
            assert status == 200
            assert json.loads(answer)["id"] == f"request-{n}"
            entry, salt = world.evidence(httpx.Response(200, headers=fields))
            receipt = Receipt.from_bytes(entry)
            assert receipt.input == commit_input(salt, body).hex()
            assert receipt.output == commit_output(salt, answer).hex()
            indexes.append(receipt.index)
    assert indexes == list(range(6))


def test_a_head_that_is_repeated_is_answered_by_its_own_body(world: Any) -> None:
    """The second request with a head is not parsed; whole or in pieces, it must be read as the first was."""
    bodies = [world.body([float(n)] * 30, id=f"{n:02}") for n in range(10, 40)]
    assert len({len(body) for body in bodies}) == 1
    with wire(world) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for n, body in enumerate(bodies):
            request = head(world, body) + body
            cut = (0, len(request) // 2, len(request) - 1, 30)[n % 4]
            sock.sendall(request[:cut])
            time.sleep(0.02 if cut else 0)
            sock.sendall(request[cut:])
            status, fields, answer, rest = read_answer(sock)
            assert (status, rest, json.loads(answer)["id"]) == (200, b"", f"{n + 10}")
            entry, salt = world.evidence(httpx.Response(200, headers=fields))
            assert Receipt.from_bytes(entry).input == commit_input(salt, body).hex()


def test_a_repeated_head_with_more_behind_it_is_two_requests(world: Any) -> None:
    body = world.body()
    request = head(world, body) + body
    with wire(world) as sock:
        sock.sendall(request)
        assert read_answer(sock)[0] == 200
        sock.sendall(request + request[:40])
        assert read_answer(sock)[0] == 200
        sock.sendall(request[40:])
        assert read_answer(sock)[0] == 200
        assert world.log.size == 3
        sock.sendall(request + b"nonsense\r\n\r\n")
        assert sock.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_a_repeated_head_waits_its_turn_behind_a_request_in_flight(world: Any) -> None:
    bodies = [world.body([float(n)] * 30, id=f"{n}") for n in range(3)]
    with wire(world) as sock:
        sock.sendall(head(world, bodies[0]) + bodies[0])
        assert read_answer(sock)[0] == 200
        world.tap.flows.clear()
        for body in bodies:
            sock.sendall(head(world, body) + body)
            time.sleep(0.1)
        world.tap.flows.set()
        rest = b""
        for n in range(3):
            status, _, answer, rest = read_answer(sock, rest)
            assert (status, json.loads(answer)["id"]) == (200, f"{n}")


def test_heads_that_differ_in_the_caller_are_not_mistaken_for_each_other(make_world: Any) -> None:
    import hashlib

    tokens = {hashlib.sha256(name.encode()).hexdigest(): name for name in ("lab-a", "lab-b")}
    world = make_world(GatewaySettings(callers=tokens))
    body = world.body()
    with wire(world) as sock:
        for name in ("lab-a", "lab-b", "lab-a", "lab-b", "lab-c", "lab-a"):
            sock.sendall(head(world, body, f"Authorization: Bearer {name}") + body)
            status, fields, _, _ = read_answer(sock)
            assert status == (401 if name == "lab-c" else 200)
            if status == 200:
                assert world.receipt(httpx.Response(200, headers=fields)).caller == name


def test_many_different_heads_do_not_fill_the_memory(world: Any) -> None:
    body = world.body()
    with wire(world) as sock:
        for n in range(1100):
            sock.sendall(head(world, body, f"X-Number: {n}") + body)
            assert read_answer(sock)[0] == 200
    assert len(world.server._server.config.http_protocol_class.heads) <= 1024


def test_inference_and_other_routes_can_be_pipelined_together(world: Any) -> None:
    body = world.body()
    live = b"GET /v2/health/live HTTP/1.1\r\nHost: test\r\n\r\n"
    infer = head(world, body) + body
    with wire(world) as sock:
        sock.sendall(infer + live + infer + infer + live)
        rest, answers = b"", []
        for _ in range(5):
            _, _, answer, rest = read_answer(sock, rest)
            answers.append(answer)
    assert [answer == b'{"live":true}' for answer in answers] == [False, True, False, False, True]


def test_a_chunked_request_is_answered_with_a_receipt_over_the_joined_body(world: Any) -> None:
    body = world.body()
    half = len(body) // 2
    response = world.client.post("/v2/models/triage/infer", content=iter([body[:half], body[half:]]))
    entry, salt = world.evidence(response)
    assert Receipt.from_bytes(entry).input == commit_input(salt, body).hex()


def test_a_client_that_expects_100_continue_gets_it(world: Any) -> None:
    body = world.body()
    with wire(world) as sock:
        sock.sendall(head(world, body, "Expect: 100-continue"))
        assert sock.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert read_answer(sock)[0] == 200


@pytest.mark.parametrize(("version", "fields"), [("1.0", ()), ("1.1", ("Connection: close",))])
def test_a_connection_that_shall_not_be_kept_is_closed_after_the_answer(
    world: Any, version: str, fields: tuple[str, ...]
) -> None:
    body = world.body()
    with wire(world) as sock:
        sock.sendall(head(world, body, *fields, version=version) + body)
        status, found, _, _ = read_answer(sock)
        assert (status, found["connection"]) == (200, "close")
        assert ended(sock)


def test_a_target_with_a_query_is_answered_too(world: Any) -> None:
    assert world.infer(path="/v2/models/triage/infer?trace=1").status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_post_infers(world: Any, method: str) -> None:
    response = world.client.request(method, "/v2/models/triage/infer")
    world.problem(response, 405, "method")
    assert response.headers["allow"] == "POST"


def test_compressed_and_binary_bodies_are_refused(world: Any) -> None:
    world.problem(world.infer(content_encoding="gzip"), 415, "content-encoding")
    assert world.infer(content_encoding="identity").status_code == 200
    world.problem(world.infer(Inference_Header_Content_Length="100"), 415, "binary-tensors")


def test_a_body_that_is_announced_too_large_is_refused_before_it_is_sent(make_world: Any) -> None:
    world = make_world(GatewaySettings(max_body=1000))
    with wire(world) as sock:
        sock.sendall(b"POST /v2/models/triage/infer HTTP/1.1\r\nHost: test\r\nContent-Length: 1001\r\n\r\n")
        status, fields, answer, _ = read_answer(sock)
        assert (status, fields["connection"]) == (413, "close")
        assert "at most 1000 bytes" in json.loads(answer)["hint"]


def test_a_chunked_body_that_grows_too_large_is_refused(make_world: Any) -> None:
    world = make_world(GatewaySettings(max_body=1000))
    response = world.client.post("/v2/models/triage/infer", content=iter([b"x" * 600, b"x" * 600]))
    world.problem(response, 413, "body-size")
    assert world.infer().status_code == 200


@pytest.mark.parametrize(
    "start",
    [
        b"GET /" + b"x" * 20_000,
        b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000,
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 4000,
    ],
)
def test_a_head_without_end_is_cut(world: Any, start: bytes) -> None:
    with wire(world) as sock:
        sock.sendall(start)
        status, fields, answer, _ = read_answer(sock)
        assert (status, fields["connection"]) == (431, "close")
        assert json.loads(answer)["code"] == "head-size"
        assert ended(sock)


def test_more_connections_than_the_bound_are_turned_away(make_world: Any) -> None:
    world = make_world(GatewaySettings(max_connections=2))
    body = world.body()
    with wire(world) as first, wire(world) as second:
        for sock in (first, second):
            sock.sendall(head(world, body) + body)
            assert read_answer(sock)[0] == 200
        with wire(world) as third:
            status, fields, _, _ = read_answer(third)
            assert (status, fields["retry-after"], fields["connection"]) == (503, "1", "close")
            assert ended(third)
        first.sendall(head(world, body) + body)
        assert read_answer(first)[0] == 200


def test_what_is_not_http_is_answered_400_and_closed(world: Any) -> None:
    with wire(world) as sock:
        sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc")
        assert sock.recv(65536).startswith(b"HTTP/1.1 400 ")
        assert ended(sock)


@pytest.mark.parametrize(
    "part", [b"POST /v2/mod", b"POST /v2/models/triage/infer HTTP/1.1\r\nContent-Length: 9\r\n\r\n12"]
)
def test_a_request_that_stops_half_way_is_cut_in_time(make_world: Any, part: bytes) -> None:
    world = make_world(IMPATIENT)
    begun = time.monotonic()
    with wire(world) as sock:
        sock.sendall(part)
        status, fields, _, _ = read_answer(sock)
        assert (status, fields["connection"]) == (408, "close")
        assert ended(sock)
    assert 0.5 <= time.monotonic() - begun < 5


def test_a_chunked_body_that_stops_half_way_is_cut_in_time(make_world: Any) -> None:
    world = make_world(IMPATIENT)
    with wire(world) as sock:
        sock.sendall(
            b"POST /v2/models/triage/infer HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
        )
        status, _, answer, _ = read_answer(sock)
        assert (status, json.loads(answer)["code"]) == (408, "read-timeout")


def test_an_idle_connection_is_closed_in_time_and_a_busy_one_is_not(make_world: Any) -> None:
    world = make_world(IMPATIENT)
    body = world.body()
    with wire(world) as idle, wire(world) as busy:
        idle.sendall(head(world, body) + body)
        assert read_answer(idle)[0] == 200
        for _ in range(6):
            busy.sendall(head(world, body) + body)
            assert read_answer(busy)[0] == 200
            time.sleep(0.5)
        assert ended(idle)


def test_a_waiting_request_is_no_idle_connection(make_world: Any) -> None:
    world = make_world(IMPATIENT)
    world.infer()
    world.tap.flows.clear()
    body = world.body()
    with wire(world) as sock:
        sock.sendall(head(world, body) + body)
        time.sleep(2.5)
        world.tap.flows.set()
        assert read_answer(sock)[0] == 200


def test_a_client_that_resets_while_it_waits_disturbs_nobody(world: Any) -> None:
    world.infer()
    world.tap.flows.clear()
    body = world.body()
    with wire(world) as sock:
        sock.sendall(head(world, body) + body)
        while world.metric("gateway_requests_in_flight") < 1:
            time.sleep(0.02)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    time.sleep(0.1)
    world.tap.flows.set()
    assert world.receipt(world.infer()).index == 2


def test_a_client_that_sends_and_never_reads_is_not_read_from_without_end(world: Any) -> None:
    body = world.body(*[[0.5] * 30] * 400)
    request = head(world, body) + body
    sent = 0
    with wire(world) as sock:
        sock.settimeout(1.0)
        try:
            for _ in range(3000):
                sock.sendall(request)
                sent += 1
        except (TimeoutError, ConnectionError):
            pass  # held back, or cut off: either way no more is read
    assert 0 < sent < 1500
    assert world.log.size < sent
    assert world.infer().status_code == 200


def test_a_client_that_sends_ahead_gets_every_answer_in_order(world: Any) -> None:
    """More than the buffers hold, so that bytes are held back and taken up again many times."""
    import threading

    body = world.body(*[[0.5] * 30] * 100)
    with wire(world) as sock:
        requests = b"".join(head(world, one) + one for one in (body[:-1] + b',"id":"%d"}' % n for n in range(300)))
        sender = threading.Thread(target=sock.sendall, args=(requests,))
        sender.start()
        rest = b""
        for n in range(300):
            status, fields, answer, rest = read_answer(sock, rest)
            assert (status, json.loads(answer)["id"]) == (200, str(n))
            assert world.receipt(httpx.Response(200, headers=fields)).index == n
        sender.join()


def test_another_server_answers_the_same_through_asgi_alone(world: Any, deployment: Any, tmp_path: Any) -> None:
    """The plain path and the ASGI path differ in nothing that a client sees."""
    log = deployment.open_log(tmp_path / "other")
    site = deployment.Site()
    site.add("triage", "v1", world.site.onnx["triage", "v1"])
    app = create_app(deployment.parts_of(site, log), release="test")
    server = uvicorn.Server(uvicorn.Config(app, port=0, http="h11", log_config=None, lifespan="on"))
    import threading

    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            for body in (world.body(), b"{}", b"{"):
                ours = world.send(body)
                theirs = client.post("/v2/models/triage/infer", content=body)
                assert (theirs.status_code, theirs.content) == (ours.status_code, ours.content)
                assert theirs.headers["content-type"] == ours.headers["content-type"]
                assert ("mooring-receipt" in theirs.headers) == ("mooring-receipt" in ours.headers)
    finally:
        server.should_exit = True
        thread.join()
        log.close()
