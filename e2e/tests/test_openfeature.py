"""OpenFeature's own SDK and its OFREP provider, as they are published, evaluate our flags."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason

from e2e.program import API, Server

OBJECT = {"colour": "dark", "sizes": [1, 2.5, None], "deep": {"ä": True}}
FLAGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # key: what the flag has, what it does in production
    "a-boolean": (
        {"type": "boolean", "variants": {"on": True, "off": False}},
        {"enabled": True, "fallthrough": {"variant": "on"}},
    ),
    "a-string": (
        {"type": "string", "variants": {"off": "", "on": "grüße"}},
        {"enabled": True, "fallthrough": {"variant": "on"}},
    ),
    "an-integer": (
        {"type": "integer", "variants": {"off": 0, "on": 2**53 - 1}},
        {"enabled": True, "fallthrough": {"variant": "on"}},
    ),
    "a-float": (
        {"type": "float", "variants": {"off": 0.0, "on": 1.0, "small": 1e-7}},
        {"enabled": True, "fallthrough": {"variant": "on"}},
    ),
    "an-object": (
        {"type": "object", "variants": {"off": {}, "on": OBJECT}},
        {"enabled": True, "fallthrough": {"variant": "on"}},
    ),
    "disabled": (
        {"type": "string", "variants": {"off": "resting", "on": "working"}},
        {"enabled": False, "fallthrough": {"variant": "on"}},
    ),
    "targeted": (
        {"type": "boolean", "variants": {"on": True, "off": False}},
        {
            "enabled": True,
            "fallthrough": {"variant": "off"},
            "rules": [
                {
                    "id": "staff",
                    "conditions": [
                        {"attribute": "mail", "op": "ends_with", "values": ["@example.org"]},
                        {"attribute": "age", "op": "gte", "values": [18]},
                    ],
                    "serve": {"variant": "on"},
                }
            ],
        },
    ),
    "divided": (
        {"type": "string", "variants": {"off": "none", "a": "A", "b": "B"}},
        {"enabled": True, "fallthrough": {"split": {"a": 30, "b": 70}}},
    ),
}


@pytest.fixture(scope="module")
def flags(quartet: Server) -> Server:
    client = quartet.client()
    for key, (flag, state) in FLAGS.items():
        quartet.new_flag(key, **({"default_variant": "off", "off_variant": "off"} | flag))
        path = f"{API}/flags/{key}/environments/production"
        fields = {"If-Match": client.get(path).headers["etag"]}
        answer = client.put(path, json={"rules": []} | state, headers=fields)
        assert answer.status_code == 200, answer.text
    return quartet


@pytest.fixture
def connect(flags: Server) -> Iterator[Callable[..., OpenFeatureClient]]:
    """Makes a client as the documentation of OpenFeature says."""

    def make(key: str | None = None, base: str | None = None) -> OpenFeatureClient:
        fields = {"Authorization": f"Bearer {key or flags.new_key('server', 'production')}"}
        address = base or f"{flags.url}/flagbit"
        api.set_provider(OFREPProvider(address, headers_factory=lambda: fields))
        return api.get_client()

    yield make
    api.shutdown()


@pytest.fixture
def sdk(connect: Callable[..., OpenFeatureClient]) -> OpenFeatureClient:
    return connect()


def somebody(key: str | None = "user-1", **attributes: Any) -> EvaluationContext:
    return EvaluationContext(key, attributes)


def test_a_boolean(sdk: OpenFeatureClient) -> None:
    found = sdk.get_boolean_details("a-boolean", False)
    assert (found.value, found.variant, found.reason) == (True, "on", Reason.STATIC)
    assert found.error_code is None


def test_a_string(sdk: OpenFeatureClient) -> None:
    assert sdk.get_string_details("a-string", "x").value == "grüße"


def test_an_integer(sdk: OpenFeatureClient) -> None:
    value = sdk.get_integer_details("an-integer", 0).value
    assert (value, type(value)) == (2**53 - 1, int)


def test_a_float_that_is_whole_arrives_as_a_float(sdk: OpenFeatureClient) -> None:
    """Written 1 instead of 1.0, it would be an int to the provider: TYPE_MISMATCH."""
    found = sdk.get_float_details("a-float", 0.5)
    assert (found.value, type(found.value), found.error_code) == (1.0, float, None)


def test_an_object(sdk: OpenFeatureClient) -> None:
    assert sdk.get_object_details("an-object", {}).value == OBJECT


def test_a_flag_that_is_off_has_its_off_value(sdk: OpenFeatureClient) -> None:
    found = sdk.get_string_details("disabled", "x")
    assert (found.value, found.variant, found.reason) == ("resting", "off", Reason.DISABLED)
    assert found.error_code is None


@pytest.mark.parametrize(
    ("attributes", "expected", "reason"),
    [
        ({"mail": "ada@example.org", "age": 18}, True, Reason.TARGETING_MATCH),
        ({"mail": "ada@example.org", "age": 17}, False, Reason.DEFAULT),
        ({"mail": "ada@example.com", "age": 18}, False, Reason.DEFAULT),
        ({"mail": "ada@example.org"}, False, Reason.DEFAULT),
        ({"mail": ["ada@example.org"], "age": "18"}, False, Reason.DEFAULT),
    ],
)
def test_rules_target(
    sdk: OpenFeatureClient, attributes: Mapping[str, Any], expected: bool, reason: Reason
) -> None:
    found = sdk.get_boolean_details("targeted", not expected, somebody(**attributes))
    assert (found.value, found.reason) == (expected, reason)
    assert found.flag_metadata.get("rule") == ("staff" if expected else None)


def test_a_split_is_sticky_and_divides_as_it_says(sdk: OpenFeatureClient) -> None:
    first = {
        user: sdk.get_string_details("divided", "x", somebody(user))
        for user in (f"user-{number}" for number in range(200))
    }
    assert {found.reason for found in first.values()} == {Reason.SPLIT}
    assert {found.value for found in first.values()} == {"A", "B"}
    assert 30 <= sum(found.value == "A" for found in first.values()) <= 90  # 60 are expected
    for user, found in first.items():
        assert sdk.get_string_value("divided", "x", somebody(user)) == found.value


def test_a_split_needs_to_know_who_asks(sdk: OpenFeatureClient) -> None:
    found = sdk.get_string_details("divided", "default", somebody(None))
    assert (found.value, found.error_code) == ("default", ErrorCode.TARGETING_KEY_MISSING)
    assert found.reason == Reason.ERROR
    assert "targetingKey" in (found.error_message or "")


def test_a_flag_that_is_not_there(sdk: OpenFeatureClient) -> None:
    found = sdk.get_boolean_details("nothing", True)
    assert (found.value, found.error_code) == (True, ErrorCode.FLAG_NOT_FOUND)
    assert "nothing" in (found.error_message or "")


@pytest.mark.parametrize("name", ["boolean", "integer", "float", "object"])
def test_a_flag_of_another_type(sdk: OpenFeatureClient, name: str) -> None:
    default = {"boolean": False, "integer": 7, "float": 7.0, "object": {}}[name]
    found = getattr(sdk, f"get_{name}_details")("a-string", default)
    assert (found.value, found.error_code) == (default, ErrorCode.TYPE_MISMATCH)


def test_a_context_that_is_too_large_is_refused(sdk: OpenFeatureClient) -> None:
    """The provider reads no code from a 413, so it calls it GENERAL, with our words."""
    found = sdk.get_boolean_details("a-boolean", False, somebody(text="x" * 70_000))
    assert (found.value, found.error_code) == (False, ErrorCode.GENERAL)
    assert "65,536" in (found.error_message or "")


@pytest.mark.parametrize("value", [float("nan"), "\ud800"])
def test_a_context_that_is_no_json_is_no_server_error(
    sdk: OpenFeatureClient, value: object
) -> None:
    """Half a surrogate is refused as PARSE_ERROR; NaN does not leave the client at all."""
    found = sdk.get_boolean_details("a-boolean", False, somebody(value=value))
    assert found.value is False
    assert found.error_code in (ErrorCode.PARSE_ERROR, ErrorCode.GENERAL)
    assert "500" not in (found.error_message or "")


def test_a_number_as_targeting_key_is_the_same_user_as_its_digits(sdk: OpenFeatureClient) -> None:
    for user in range(20):
        number = sdk.get_string_value("divided", "x", EvaluationContext(user + 1))  # type: ignore[arg-type]
        assert number == sdk.get_string_value("divided", "x", somebody(str(user + 1)))


def test_an_address_that_does_not_evaluate_is_told_apart(
    connect: Callable[..., OpenFeatureClient], flags: Server
) -> None:
    sdk = connect(base=f"{flags.url}/flagbit/nowhere")
    assert sdk.get_boolean_details("a-boolean", False).error_code == ErrorCode.FLAG_NOT_FOUND


@pytest.mark.parametrize("role", ["wrong", "admin", "revoked"])
def test_a_key_that_may_not_evaluate_is_an_error_of_authorisation(
    connect: Callable[..., OpenFeatureClient], flags: Server, role: str
) -> None:
    key = {"wrong": "ifm_aaaaaaaa_" + "b" * 32, "admin": flags.admin_key}.get(role)
    if key is None:
        content = {"owner": "gone", "role": "server", "environment": "production"}
        made = flags.client().post(f"{API}/keys", json=content).json()
        key = made["token"]
        assert connect(key).get_boolean_value("a-boolean", False) is True
        assert flags.client().post(f"{API}/keys/{made['id']}/revoke").status_code == 200
    found = connect(key).get_boolean_details("a-boolean", False)
    assert (found.value, found.error_code) == (False, ErrorCode.GENERAL)
    assert found.error_message == ("forbidden" if role == "admin" else "unauthorized")


def test_a_client_key_sees_what_is_marked_for_clients(
    connect: Callable[..., OpenFeatureClient], flags: Server
) -> None:
    flags.new_flag("shown", client_visible=True)
    sdk = connect(flags.new_key("client", "production"))
    assert sdk.get_boolean_details("shown", True).value is False
    assert sdk.get_boolean_details("a-boolean", False).error_code == ErrorCode.FLAG_NOT_FOUND


def test_an_edit_is_seen_by_the_next_evaluation(sdk: OpenFeatureClient, flags: Server) -> None:
    flags.new_flag("edited")
    assert sdk.get_boolean_value("edited", True) is False
    client = flags.client()
    path = f"{API}/flags/edited/environments/production"
    content = {"enabled": True, "rules": [], "fallthrough": {"variant": "on"}}
    fields = {"If-Match": client.get(path).headers["etag"]}
    assert client.put(path, json=content, headers=fields).status_code == 200
    assert sdk.get_boolean_value("edited", False) is True


def test_environments_are_apart(connect: Callable[..., OpenFeatureClient], flags: Server) -> None:
    """What is on in production is off in development, and the key says which is meant."""
    development = connect(flags.new_key("server", "development"))
    found = development.get_boolean_details("a-boolean", True)
    assert (found.value, found.reason) == (False, Reason.DISABLED)
