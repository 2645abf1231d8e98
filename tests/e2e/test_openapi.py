# SPDX-License-Identifier: Apache-2.0
"""docs/openapi.json is what the running gateway does (a unit test holds it against the route table)."""
import json

import pytest
from conftest import ROOT

DOCUMENT = ROOT / "docs/openapi.json"


@pytest.fixture(scope="module")
def document():
    return json.loads(DOCUMENT.read_text())


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in ("get", "post", "put", "patch", "delete"):
                yield path, method, operation


def test_it_is_openapi_3_1(document):
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] and document["info"]["version"]


def test_every_call_is_known_and_guarded_as_it_says(gateway, document):
    """Without a credential: 401 where one is asked for, anything but 401 and 403-for-no-route where none is."""
    client = gateway.client()
    for path, method, operation in operations(document):
        security = operation.get("security", document.get("security", []))
        answer = client.request(method, path.replace("{id}", "none"))
        if security:
            assert answer.status_code == 401, (method, path, answer.status_code)
        else:
            assert answer.status_code != 401 or path.endswith(("/login", "/refresh")), (method, path, answer.status_code)


def test_every_status_it_gave_is_documented(gateway, tokens, document):
    client = gateway.client(tokens["viewer"])
    for path, method, operation in operations(document):
        if path.endswith("/logout") or (method == "delete" and path.endswith("/sessions")):
            continue
        answer = client.request(method, path.replace("{id}", "none"))
        assert str(answer.status_code) in operation["responses"] or "default" in operation["responses"], (method, path, answer.status_code)
