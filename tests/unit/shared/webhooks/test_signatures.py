"""Signatures are those of Standard Webhooks, and secrets what it asks for."""

import base64

import pytest

from jobyard.shared.webhooks.signatures import check_secret, headers, new_secret, sign

# The example that the libraries of Standard Webhooks test themselves with.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE, TIMESTAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_example_of_the_specification_gets_its_signature() -> None:
    assert sign(SECRET, MESSAGE, TIMESTAMP, BODY) == SIGNATURE


def test_while_a_secret_is_replaced_both_sign() -> None:
    other = new_secret()
    found = headers([other, SECRET], MESSAGE, TIMESTAMP, BODY)
    assert found["webhook-signature"] == f"{sign(other, MESSAGE, TIMESTAMP, BODY)} {SIGNATURE}"
    assert (found["webhook-id"], found["webhook-timestamp"]) == (MESSAGE, "1614265330")


def test_a_new_secret_is_another_one_each_time_and_long_enough() -> None:
    made = {new_secret() for _ in range(3)}
    assert len(made) == 3
    for one in made:
        check_secret(one)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "whsec_not base64",
        SECRET.removeprefix("whsec_"),
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
    ],
)
def test_another_secret_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(ValueError, match="24 to 64 bytes in base64") as refused:
        check_secret(secret)
    assert secret.removeprefix("whsec_") not in str(refused.value) or secret in ("", "whsec_")
