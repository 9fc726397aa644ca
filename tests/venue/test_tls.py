"""`--tls` without a certificate: the same paths on the same port, for clients who trust the authority that was made."""

import json
import ssl
import time
from pathlib import Path

import httpx
import pytest
import websockets.sync.client

from tests.support.venue import VenueProcess

pytestmark = pytest.mark.slow

DAY_SECONDS = 86_400


def test_clients_operators_and_metrics_over_tls(tmp_path: Path) -> None:
    with VenueProcess(tmp_path, "--tls") as venue:
        url = f"https://127.0.0.1:{venue.port}"
        assert f"listening on {url}" in venue.log
        trust = ssl.create_default_context(cafile=tmp_path / "tls" / "authority.pem")
        with httpx.Client(verify=trust, base_url=url, trust_env=False) as client:
            assert client.get("/api/v3/ping").json() == {}
            metrics = dict(line.rsplit(" ", 1) for line in client.get("/metrics").text.splitlines() if line[0] != "#")
        assert {
            f'holdfast_queue_length{{queue="{name}"}}' for name in ("journal", "history", "broadcast")
        } <= metrics.keys()
        days_left = (float(metrics["holdfast_certificate_expiry_timestamp_seconds"]) - time.time()) / DAY_SECONDS
        assert 30 < days_left < 1000
        for path in ("/ws", "/stream"):
            with websockets.sync.client.connect(f"wss://127.0.0.1:{venue.port}{path}", ssl=trust) as socket:
                socket.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
                assert json.loads(socket.recv(timeout=10))["id"] == 1
        with websockets.sync.client.connect(f"wss://127.0.0.1:{venue.port}/ws-api/v3", ssl=trust) as socket:
            socket.send('{"method":"ping","id":"a"}')
            assert json.loads(socket.recv(timeout=10))["status"] == 200
        assert venue.json("account", "create", "alice")["name"] == "alice"  # The command line finds the way, too.
        assert venue.terminate() == 0
